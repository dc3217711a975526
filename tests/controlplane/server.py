"""One server process with its log: started, watched, killed and started again."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.controlplane.process_supervisor import ProcessSupervisor

TAIL_LINES: Final = 20
PORT_TAKEN: Final = "address already in use"


class Died(Exception):  # noqa: N818 -- reads as what it is
    """A server ended by itself; the message carries the end of its log."""


class PortLost(Died):
    """Another program took the port between the check and the start."""


class Server:
    """A program that must not end before it is stopped."""

    def __init__(self, argv: Sequence[str | Path], *, supervisor: ProcessSupervisor, folder: Path) -> None:
        self.name = Path(argv[0]).name
        self.log = folder / f"{self.name}.log"
        self._argv = argv
        self._supervisor = supervisor
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Return the process, if there is one."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        with self.log.open("ab") as log:
            self._process = self._supervisor.start(self._argv, output=log, cwd=self._folder)

    def kill(self) -> None:
        """End it the way a crash does, without a chance to tidy up."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def has_ended(self) -> bool:
        """Return whether it has ended without being killed."""
        return self._process is not None and self._process.poll() is not None

    def check(self) -> None:
        """Raise `Died` if it has ended by itself."""
        if not self._process or not self.has_ended():
            return
        tail = self.tail()
        kind = PortLost if PORT_TAKEN in tail else Died
        raise kind(f"{self.name} ended with exit code {self._process.returncode}; its log ends so:\n{tail}")

    def tail(self) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:]) if self.log.exists() else ""
