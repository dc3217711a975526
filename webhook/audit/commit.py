"""Bringing lines to the disk: one fdatasync for all who wait, as databases do it."""

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Final

# Of whom an earlier failure is still remembered: those who wait when it happens ask within microseconds.
MOST_FAILURES: Final = 16


class GroupCommit:
    """Counts lines, and lets those who wait for theirs share one `sync` that begins after it was written; safe between threads.

    After a failure the kernel takes the lines for written, and the next sync says nothing of them: whose line it was is told so.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._turn = Condition()
        self._settled = 0
        self._busy = False
        self._failed: deque[tuple[range, OSError]] = deque(maxlen=MOST_FAILURES)
        self.written = 0  # lines so far; counted by the one who writes

    def settle(self, line: int) -> None:
        """Return when this line, by its number, is on the disk.  Raises OSError where it could not be brought there."""
        with self._turn:
            while self._settled < line:
                if self._busy:
                    self._turn.wait()
                else:
                    self._lead()
            for lines, bad in self._failed:
                if line in lines:
                    raise OSError(*bad.args) from bad

    def _lead(self) -> None:
        """Sync for everybody whose line stands by now; the others wait for the next one."""
        self._busy, lines = True, range(self._settled + 1, self.written + 1)
        self._turn.release()
        failure: OSError | None = None
        try:
            self._sync()
        except OSError as bad:
            failure = bad
        finally:
            self._turn.acquire()
            self._busy, self._settled = False, lines.stop - 1
            if failure is not None:
                self._failed.append((lines, failure))
            self._turn.notify_all()
