"""A bounded queue and one thread before a slow sink, so that writers do not wait."""

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from time import monotonic
from typing import Final

from webhook.audit.keeping import unheard
from webhook.audit.sink import AuditLogUnwritable, Sink

logger = logging.getLogger(__name__)

# Some twenty thousand records: a hundred seconds of the highest request rate seen in a cluster.
MOST_BYTES: Final = 1 << 24
RETRY_SECONDS: Final = 0.2
DRAIN_SECONDS: Final = 3.0


class Queued:
    """Accepts lines immediately while there is room, and tries each line until it is written.

    `last`, `torn` and `witness` are the sink's.  No other object may use the sink.
    """

    def __init__(self, sink: Sink, *, queued: Callable[[int], object] = unheard) -> None:
        self.last, self.torn, self.witness = sink.last, sink.torn, sink.witness
        self._sink = sink
        self._tell = queued
        self._turn = Condition()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._thread: Thread | None = None
        self._closing = self._look_due = False

    def write(self, line: bytes) -> None:
        """Queue one line; raises AuditLogUnwritable if there is no room."""
        with self._turn:
            if self._bytes + len(line) > MOST_BYTES:
                raise AuditLogUnwritable(f"{self._bytes} bytes wait to be written, which is the limit")
            self._lines.append(line)
            self._bytes += len(line)
            self._tell(self._bytes)
            if self._thread is None:
                self._thread = Thread(target=self._work, name="audit-queue", daemon=True)
                self._thread.start()
            self._turn.notify()

    def look(self) -> None:
        """Ask the thread to call the sink's `look` in its turn."""
        with self._turn:
            self._look_due = True
            self._turn.notify()

    def close(self) -> None:
        """Wait a limited time until all lines are written, and close the sink."""
        until = monotonic() + DRAIN_SECONDS
        with self._turn:
            self._closing = True
            self._turn.notify()
            while self._lines and (left := until - monotonic()) > 0:
                self._turn.wait(left)
            if not self._lines:
                self._sink.close()
            else:  # the thread may still be writing
                logger.error("%d lines of the audit log were not written", len(self._lines))

    def _work(self) -> None:
        while True:
            with self._turn:
                while not self._lines and not self._look_due:
                    if self._closing:
                        return
                    self._turn.wait()
                line = self._lines[0] if self._lines else None
                look, self._look_due = self._look_due, False
            if look:
                self._sink.look()
            if line is not None:
                self._try(line)

    def _try(self, line: bytes) -> None:
        try:
            self._sink.write(line)
        except AuditLogUnwritable:
            with self._turn:
                self._turn.wait_for(lambda: False, RETRY_SECONDS)
            return
        with self._turn:
            self._lines.popleft()
            self._bytes -= len(line)
            self._tell(self._bytes)
            if not self._lines:
                self._turn.notify_all()
