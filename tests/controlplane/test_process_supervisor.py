"""Processes that a supervisor starts end with the process of the supervisor."""

import os
import signal
import subprocess
import time
from typing import Final

import pytest

from tests.controlplane.leaked_processes import assert_gone, processes, python_process
from tests.controlplane.process_supervisor import ProcessSupervisor

ENDS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
SIBLING_SECONDS: Final = 15  # how long a forked sibling lives; longer than `assert_gone` waits

START_A_SHELL: Final = """
import os, subprocess, time
from tests.controlplane.process_supervisor import ProcessSupervisor
supervisor = ProcessSupervisor()
supervisor.start(["sh", "-c", "sleep 600; :", str(supervisor.folder)], output=subprocess.DEVNULL)
"""
FORK_A_SIBLING: Final = f"""
if not os.fork():
    time.sleep({SIBLING_SECONDS})
    os._exit(0)
"""
TELL_AND_WAIT: Final = """
print(supervisor.folder, flush=True)
time.sleep(600)
"""
CLOSE_AND_TELL: Final = """
supervisor.close()
print(supervisor.folder, flush=True)
"""


@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_supervised_process_ends_with_its_supervisor(number: signal.Signals) -> None:
    """The signal goes to the whole foreground group, as a terminal does it."""
    with python_process(START_A_SHELL + TELL_AND_WAIT) as (process, folder):
        assert any("sleep 600" in line for line in processes(folder))
        os.killpg(process.pid, number)
        assert_gone(folder)


def test_a_forked_sibling_does_not_keep_it_alive() -> None:
    """It has the pipe that the watchdog reads, and may outlive its parent."""
    with python_process(START_A_SHELL + FORK_A_SIBLING + TELL_AND_WAIT) as (process, folder):
        assert any("sleep 600" in line for line in processes(folder))
        process.kill()
        assert_gone(folder)


def test_close_does_not_wait_for_a_forked_sibling() -> None:
    """The pipe is still open then, so `close` sends a message."""
    started = time.monotonic()
    with python_process(START_A_SHELL + FORK_A_SIBLING + CLOSE_AND_TELL) as (_, folder):
        assert_gone(folder)
        assert time.monotonic() - started < SIBLING_SECONDS


def test_close_survives_the_death_of_the_watchdog() -> None:
    """The out-of-memory killer may kill it, for example; its processes are still ended."""
    supervisor = ProcessSupervisor()
    process = supervisor.start(["sleep", "600"], output=subprocess.DEVNULL)
    os.kill(os.getpgid(process.pid), signal.SIGKILL)
    supervisor.close()
    assert process.returncode == -signal.SIGKILL
    assert not supervisor.folder.exists()
