"""A test run that is killed leaves no process of catflap behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.controlplane.leaked_processes import PROJECT, processes
from tests.controlplane.waiting import wait_until

SIGNALS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
# A run with one process, and one in which a worker of pytest-xdist starts the server.
RUNS: Final = {"one process": ["-p", "no:xdist"], "a worker": ["-n", "1"]}
# gunicorn's arbiter and its worker have the same command line.
SERVER_PROCESSES: Final = 2

TEST: Final = """
import time
from pathlib import Path
from tests.programs import serve

def test_a_server() -> None:
    with serve(Path({folder!r}), "--standalone", "--policy", {policy!r}):
        Path({ready!r}).touch()
        time.sleep(600)
"""


def server_processes(folder: Path) -> list[str]:
    """Return the command lines of the servers that have their files in a folder."""
    return [line for line in processes(str(folder)) if "-m webhook serve" in line]


@pytest.mark.usefixtures("sighup_enabled")
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_server_and_its_worker_end_with_a_killed_test_run(
    number: signal.Signals, run: str, policy: Path, tmp_path: Path
) -> None:
    """The signal goes to the process of pytest alone, which does not stop its server."""
    folder, ready, file = tmp_path / "server", tmp_path / "ready", tmp_path / "test_server.py"
    file.write_text(TEST.format(folder=str(folder), policy=str(policy), ready=str(ready)), encoding="utf-8")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *RUNS[run], "--rootdir", str(tmp_path)]
    argv += ["-c", os.devnull, f"--basetemp={tmp_path / 'inner'}", str(file)]
    with subprocess.Popen(
        argv, cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdout=subprocess.DEVNULL, process_group=0
    ) as pytest_process:
        try:
            wait_until(
                lambda: ready.exists() or pytest_process.poll() is not None, what="a server of the inner test run"
            )
            assert len(server_processes(folder)) >= SERVER_PROCESSES
            pytest_process.send_signal(number)
            wait_until(lambda: not server_processes(folder), what="the server's end")
        finally:
            os.killpg(pytest_process.pid, signal.SIGKILL)
