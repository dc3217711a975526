"""Records every write of the controller in the audit log. A repair never waits for its record."""

import logging
from collections.abc import Callable
from datetime import datetime

from webhook.audit.log import AuditLog
from webhook.audit.record import write_record
from webhook.audit.retry_queue import RetryQueue
from webhook.audit.sink import AuditLogUnwritable
from webhook.model.counting import counted
from webhook.model.reason import Reason
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)


class WriteRecorder:
    """Queues the records of writes for the audit log; thread-safe."""

    def __init__(
        self, audit: AuditLog, now: Callable[[], datetime], *, on_lost: Callable[[], None] = lambda: None
    ) -> None:
        self._audit = audit
        self._owed = RetryQueue(audit, on_lost=on_lost)
        self._now = now

    def start(self) -> None:
        """Start writing pending records on its own thread."""
        self._owed.start()

    def stop(self) -> None:
        """Write the pending records if possible."""
        self._owed.stop()

    def record(self, manifest: Manifest, *, policy_digest: str, why: Reason, verb: str = "apply") -> None:
        """Record one write; never raises."""
        metadata = manifest["metadata"]
        logger.info("%s %s/%s %s", manifest["kind"], metadata.get("namespace", ""), metadata["name"], why.words)
        self._owed.append(write_record(manifest, verb=verb, why=why, policy_digest=policy_digest, at=self._now()))

    def flush(self) -> None:
        """Write the pending records if possible; never raises."""
        self._owed.flush()

    def require(self) -> None:
        """Check that no records are pending, for writes that can wait. Raises AuditLogUnwritable."""
        if not self._owed.flush():
            raise AuditLogUnwritable(f"{counted(len(self._owed), 'record')} of earlier writes not written yet")

    @property
    def ready(self) -> bool:
        """Return whether records can be written: the log accepts them, and none has been pending for long."""
        return self._audit.is_writable and self._owed.is_timely
