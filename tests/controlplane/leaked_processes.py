"""Find processes that a killed process left running."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.controlplane.waiting import wait_until

PROJECT: Final = Path(__file__).parents[2]
EXIT_TIMEOUT: Final = 10.0

# Under `nohup` or in the background of a script some signals are ignored, and children inherit that.
RESTORE_SIGNALS: Final = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""


@contextmanager
def python_process(script: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a script in its own process group until it prints its folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{RESTORE_SIGNALS}{script}"],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,
    )
    with process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def processes(folder: str) -> list[str]:
    """Return the command lines that name the folder."""
    assert folder
    every = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True)
    return [line for line in every.stdout.splitlines() if folder in line]


def assert_gone(folder: str) -> None:
    """Wait for the last process of the folder, and the folder itself, to go."""
    wait_until(
        lambda: not processes(folder) and not Path(folder).exists(),
        what=f"{folder} to be left by all",
        seconds=EXIT_TIMEOUT,
    )
