"""Bring lines to the disk with one fdatasync for all waiting threads, as databases do."""

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Final

# The most failures that are remembered. Threads that wait during a failure ask about it within microseconds.
MOST_FAILURES: Final = 16


class GroupCommit:
    """Counts lines, and lets threads share one `sync` that begins after their lines were written; safe between threads.

    After a failure, the kernel treats the lines as written, and the next sync does not report them. The thread that
    waits for such a line therefore gets the error.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._turn = Condition()
        self._settled = 0
        self._busy = False
        self._failed: deque[tuple[range, OSError]] = deque(maxlen=MOST_FAILURES)
        self.written = 0  # lines so far; the writer counts them

    def wait_for_sync(self, line: int) -> None:
        """Return when the line with this number is on the disk.  Raises OSError if the sync failed."""
        with self._turn:
            while self._settled < line:
                if self._busy:
                    self._turn.wait()
                else:
                    self._sync_as_leader()
            for lines, bad in self._failed:
                if line in lines:
                    raise OSError(*bad.args) from bad

    def _sync_as_leader(self) -> None:
        """Sync for all threads whose line is written already; the others wait for the next sync."""
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
