"""A bounded queue and one thread before a slow sink, so that writers do not wait."""

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from time import monotonic
from typing import Final

from webhook.audit.log_config import ignore
from webhook.audit.sink import AuditLogUnwritable, Sink

logger = logging.getLogger(__name__)

# Some twenty thousand records: a hundred seconds of the highest request rate seen in a cluster.
MOST_BYTES: Final = 1 << 24
RETRY_SECONDS: Final = 0.2
DRAIN_SECONDS: Final = 3.0


class QueuedSink:
    """Accepts lines immediately while there is room, and tries each line until it is written.

    `last`, `partial_writes` and `peer_reader` are the sink's.  No other object may use the sink.
    """

    def __init__(self, sink: Sink, *, queued: Callable[[int], object] = ignore) -> None:
        self.last, self.partial_writes, self.peer_reader = sink.last, sink.partial_writes, sink.peer_reader
        self._sink = sink
        self._on_size = queued
        self._condition = Condition()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._thread: Thread | None = None
        self._closing = self._poll_due = False

    def write(self, line: bytes) -> None:
        """Queue one line; raises AuditLogUnwritable if there is no room."""
        with self._condition:
            if self._bytes + len(line) > MOST_BYTES:
                raise AuditLogUnwritable(f"{self._bytes} bytes wait to be written, which is the limit")
            self._lines.append(line)
            self._bytes += len(line)
            self._on_size(self._bytes)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="audit-queue", daemon=True)
                self._thread.start()
            self._condition.notify()

    def poll(self) -> None:
        """Ask the thread to call the sink's `poll` in its turn."""
        with self._condition:
            self._poll_due = True
            self._condition.notify()

    def close(self) -> None:
        """Wait a limited time until all lines are written, and close the sink."""
        deadline = monotonic() + DRAIN_SECONDS
        with self._condition:
            self._closing = True
            self._condition.notify()
            while self._lines and (remaining := deadline - monotonic()) > 0:
                self._condition.wait(remaining)
            if not self._lines:
                self._sink.close()
            else:  # the thread may still be writing
                logger.error("%d lines of the audit log were not written", len(self._lines))

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._lines and not self._poll_due:
                    if self._closing:
                        return
                    self._condition.wait()
                line = self._lines[0] if self._lines else None
                poll, self._poll_due = self._poll_due, False
            if poll:
                self._sink.poll()
            if line is not None:
                self._try(line)

    def _try(self, line: bytes) -> None:
        try:
            self._sink.write(line)
        except AuditLogUnwritable:
            with self._condition:
                self._condition.wait_for(lambda: False, RETRY_SECONDS)
            return
        with self._condition:
            self._lines.popleft()
            self._bytes -= len(line)
            self._on_size(self._bytes)
            if not self._lines:
                self._condition.notify_all()
