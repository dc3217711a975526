"""Whatever is started through the keeper ends with the process that started it."""

import os
import signal
import subprocess
import time
from typing import Final

import pytest

from tests.controlplane.keeper import Keeper
from tests.controlplane.leftovers import assert_gone, processes, python

ENDS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
SIBLING_SECONDS: Final = 15  # how long a forked sibling lives; longer than `assert_gone` waits

START_A_SHELL: Final = """
import os, subprocess, time
from tests.controlplane.keeper import Keeper
keeper = Keeper()
keeper.start(["sh", "-c", "sleep 600; :", str(keeper.folder)], output=subprocess.DEVNULL)
"""
FORK_A_SIBLING: Final = f"""
if not os.fork():
    time.sleep({SIBLING_SECONDS})
    os._exit(0)
"""
TELL_AND_WAIT: Final = """
print(keeper.folder, flush=True)
time.sleep(600)
"""
CLOSE_AND_TELL: Final = """
keeper.close()
print(keeper.folder, flush=True)
"""


@pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)
def test_a_kept_process_ends_with_its_keeper(number: signal.Signals) -> None:
    """The signal goes to the whole foreground group, as a terminal does it."""
    with python(START_A_SHELL + TELL_AND_WAIT) as (process, folder):
        assert any("sleep 600" in line for line in processes(folder))
        os.killpg(process.pid, number)
        assert_gone(folder)


def test_a_forked_sibling_does_not_keep_it_alive() -> None:
    """It holds the pipe that the watchdog listens on, and may outlive the process that made it."""
    with python(START_A_SHELL + FORK_A_SIBLING + TELL_AND_WAIT) as (process, folder):
        assert any("sleep 600" in line for line in processes(folder))
        process.kill()
        assert_gone(folder)


def test_close_does_not_wait_for_a_forked_sibling() -> None:
    """The pipe is not at its end then, so closing says a word."""
    started = time.monotonic()
    with python(START_A_SHELL + FORK_A_SIBLING + CLOSE_AND_TELL) as (_, folder):
        assert_gone(folder)
        assert time.monotonic() - started < SIBLING_SECONDS


def test_close_survives_the_death_of_the_watchdog() -> None:
    """Somebody may kill it, an out-of-memory killer for one; its processes are ended all the same."""
    keeper = Keeper()
    process = keeper.start(["sleep", "600"], output=subprocess.DEVNULL)
    os.kill(os.getpgid(process.pid), signal.SIGKILL)
    keeper.close()
    assert process.returncode == -signal.SIGKILL
    assert not keeper.folder.exists()
