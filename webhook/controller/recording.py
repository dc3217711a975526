"""Every write of the controller's, on record; where that fails, no further write begins before it is."""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from threading import Lock

from webhook.audit.log import AuditLog
from webhook.audit.record import write_record
from webhook.audit.schema import WriteRecord
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)


class Recording:
    """What was written, on its way to the audit log; safe to share between threads."""

    def __init__(self, audit: AuditLog, now: Callable[[], datetime]) -> None:
        self._audit = audit
        self._now = now
        self._unrecorded: deque[WriteRecord] = deque()  # at most one write a worker: none begins before it is empty
        self._lock = Lock()

    def record(self, manifest: Manifest, *, policy_digest: str, reason: str, verb: str = "apply") -> None:
        """Record one write.  Raises AuditLogUnwritable; the record then waits for the next `flush`."""
        metadata = manifest["metadata"]
        logger.info("%s %s/%s %s", manifest["kind"], metadata.get("namespace", ""), metadata["name"], reason)
        record = write_record(manifest, verb=verb, reason=reason, policy_digest=policy_digest, at=self._now())
        with self._lock:
            self._unrecorded.append(record)
        self.flush()

    def flush(self) -> None:
        """Record what could not be recorded before: to be called before each write.  Raises AuditLogUnwritable."""
        with self._lock:
            while self._unrecorded:
                self._audit.append(self._unrecorded[0])
                self._unrecorded.popleft()
