"""A supervisor of server processes: none outlives the tests, even after an error, Ctrl-C or SIGKILL."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.controlplane import watchdog


class ProcessSupervisor:
    """A folder and a process group, both removed when this process ends.

    The group is not the foreground group of the terminal, so Ctrl-C reaches only the tests, which end their servers in order.
    """

    def __init__(self, *, parent: Path | None = None, prefix: str = "catflap-controlplane-") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self._processes: list[subprocess.Popen[bytes]] = []
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", watchdog.__file__, str(os.getpid()), str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(
        self,
        argv: Sequence[str | Path],
        *,
        output: IO[bytes] | int | None,
        errors: IO[bytes] | int | None = subprocess.STDOUT,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a process in the group; `output` and `errors` take what it prints, and None leaves it to this process."""
        # If this process is killed between fork and exec, the child still has the watchdog's pipe (closed by exec), and
        # it joins the group before it closes the pipe. So each server always belongs to the watchdog.
        process = subprocess.Popen(
            argv,
            cwd=cwd or self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            process_group=self._watchdog.pid,
        )
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Kill all processes and remove the folder; return when both are done."""
        assert self._watchdog.stdin
        assert self._watchdog.stdout
        with suppress(BrokenPipeError):  # the watchdog was killed by a third party: see below
            self._watchdog.stdin.write(b"\n")  # an explicit message, because a forked sibling may keep the pipe open
            self._watchdog.stdin.close()
        self._watchdog.stdout.read()  # ends when the watchdog's last descendant does
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._watchdog.pid, signal.SIGKILL)
        for process in (*self._processes, self._watchdog):
            process.wait()
        watchdog.remove(str(self.folder))
        self._watchdog.stdout.close()
