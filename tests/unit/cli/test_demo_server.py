"""Test that the program that the demo starts ends with the demo."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from webhook.cli._demo_server import ENDED_BY_SIGTERM, running

SLEEP: Final = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_sigterm_during_the_start_ends_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program runs already at that moment, and the call that starts it has not returned."""
    started: list[subprocess.Popen[bytes]] = []

    class Signalled(subprocess.Popen[bytes]):
        """A program whose start is interrupted by SIGTERM."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("webhook.cli._demo_server.subprocess.Popen", Signalled)
    with (
        (tmp_path / "log").open("wb") as stderr,
        pytest.raises(SystemExit) as ended,
        running(SLEEP, stderr, os.environ),
    ):
        pytest.fail("the block runs")
    assert ended.value.code == ENDED_BY_SIGTERM
    assert [program.returncode for program in started] == [-signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before
