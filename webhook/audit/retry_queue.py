"""Queue the records of writes that are done already, until the audit log can be written.

catflap can refuse a request whose record cannot be written. A repair cannot wait for its record, because the namespace
would stay open while the disk is full. So the write comes first, its record waits in a queue, and the process reports
that it is not ready.
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

from webhook.audit.log import AuditLog
from webhook.audit.schema import WriteRecord
from webhook.audit.sink import AuditLogUnwritable

logger = logging.getLogger(__name__)

# At some 500 bytes each, this takes 5 MB. It exceeds the number of a cluster's namespaces, and so of its repairs.
MOST_QUEUED: Final = 10_000
RETRY_SECONDS: Final = 1.0
# A shorter problem, such as a slow disk, needs no other replica.
READY_SECONDS: Final = 5.0


class RetryQueue:
    """A queue of records before an audit log, in the order of the writes; safe to share between threads.

    The queue calls `on_lost` for each record for which it has no room.
    """

    def __init__(
        self,
        audit: AuditLog,
        *,
        on_lost: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = monotonic,
        capacity: int = MOST_QUEUED,
    ) -> None:
        self._audit = audit
        self._on_lost = on_lost
        self._clock = clock
        self._capacity = capacity
        self._records: deque[WriteRecord] = deque()
        self._since: float | None = None  # when the oldest record was queued
        self._lock = Lock()
        self._stopped = Event()

    def __len__(self) -> int:
        return len(self._records)

    def start(self) -> None:
        """Start a thread that tries to write the queued records regularly."""
        Thread(target=self._retry, name="owed-records", daemon=True).start()

    def stop(self) -> None:
        """Try to write the queue a last time."""
        self._stopped.set()
        if not self.flush():
            logger.error("%d records of writes are lost, because the audit log was not writable", len(self._records))

    def append(self, record: WriteRecord) -> None:
        """Write a record now, or queue it; never raises."""
        with self._lock:
            if len(self._records) < self._capacity:
                self._records.append(record)
            else:
                self._on_lost()
                logger.error(
                    "dropped the record of a write, because %d records are delayed: %s", self._capacity, record
                )
        self.flush()

    def flush(self) -> bool:
        """Write the queued records; return whether the queue is empty.  Never raises."""
        with self._lock:
            while self._records:
                try:
                    self._audit.append(self._records[0])
                except AuditLogUnwritable:  # the log itself reports it
                    self._since = self._clock() if self._since is None else self._since
                    return False
                self._records.popleft()
            self._since = None
            return True

    @property
    def is_timely(self) -> bool:
        """Return whether no record has waited for long."""
        since = self._since
        return since is None or self._clock() - since < READY_SECONDS

    def _retry(self) -> None:
        while not self._stopped.wait(RETRY_SECONDS):
            self.flush()
