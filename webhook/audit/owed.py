"""Records of what was done already, which no failure of the audit log can undo: they are owed, and written as soon as it is possible.

A request can be refused where its record cannot be written. A repair cannot wait for a record: the namespace would stay open for
as long as the disk is full. So the write comes first, its record is queued, and the process says that it is not ready.
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

# Some 500 bytes each: 5 MB, and more repairs than a cluster has namespaces.
MOST_OWED: Final = 10_000
RETRY_SECONDS: Final = 1.0
# Shorter troubles, such as a slow disk, need no other replica.
TIMELY_SECONDS: Final = 5.0


class OwedRecords:
    """A queue of records in front of an audit log, in the order of what they record; safe to share between threads.

    `on_lost` is called for each record for which there is no room.
    """

    def __init__(
        self,
        audit: AuditLog,
        *,
        on_lost: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = monotonic,
        most: int = MOST_OWED,
    ) -> None:
        self._audit = audit
        self._on_lost = on_lost
        self._clock = clock
        self._most = most
        self._owed: deque[WriteRecord] = deque()
        self._since: float | None = None  # when the oldest one was owed
        self._lock = Lock()
        self._stopped = Event()

    def __len__(self) -> int:
        return len(self._owed)

    def start(self) -> None:
        """Write what is owed from time to time, from a thread of its own."""
        Thread(target=self._keep_trying, name="owed-records", daemon=True).start()

    def stop(self) -> None:
        """Try for the last time."""
        self._stopped.set()
        if not self.flush():
            logger.error("%d records of writes are lost, as the audit log cannot be written", len(self._owed))

    def append(self, record: WriteRecord) -> None:
        """Write a record now, or owe it; never raises."""
        with self._lock:
            if len(self._owed) < self._most:
                self._owed.append(record)
            else:
                self._on_lost()
                logger.error("no room for the record of a write, as %d are owed: %s", self._most, record)
        self.flush()

    def flush(self) -> bool:
        """Write what is owed; whether nothing is owed any more.  Never raises."""
        with self._lock:
            while self._owed:
                try:
                    self._audit.append(self._owed[0])
                except AuditLogUnwritable:  # which the log itself reports
                    self._since = self._clock() if self._since is None else self._since
                    return False
                self._owed.popleft()
            self._since = None
            return True

    @property
    def timely(self) -> bool:
        """Whether no record has been owed for long."""
        since = self._since
        return since is None or self._clock() - since < TIMELY_SECONDS

    def _keep_trying(self) -> None:
        while not self._stopped.wait(RETRY_SECONDS):
            self.flush()
