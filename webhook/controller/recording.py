"""Every write of the controller's, on record; a record that cannot be written now is owed, and no repair waits for it."""

import logging
from collections.abc import Callable
from datetime import datetime

from webhook.audit.log import AuditLog
from webhook.audit.owed import OwedRecords
from webhook.audit.record import write_record
from webhook.audit.sink import AuditLogUnwritable
from webhook.model.counting import counted
from webhook.model.reason import Reason
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)


class Recording:
    """What was written, on its way to the audit log; safe to share between threads."""

    def __init__(
        self, audit: AuditLog, now: Callable[[], datetime], *, on_lost: Callable[[], None] = lambda: None
    ) -> None:
        self._audit = audit
        self._owed = OwedRecords(audit, on_lost=on_lost)
        self._now = now

    def start(self) -> None:
        """Begin to write what is owed, on a thread of its own."""
        self._owed.start()

    def stop(self) -> None:
        """Write what is owed, where that is possible."""
        self._owed.stop()

    def record(self, manifest: Manifest, *, policy_digest: str, why: Reason, verb: str = "apply") -> None:
        """Record one write; never raises."""
        metadata = manifest["metadata"]
        logger.info("%s %s/%s %s", manifest["kind"], metadata.get("namespace", ""), metadata["name"], why.words)
        self._owed.append(write_record(manifest, verb=verb, why=why, policy_digest=policy_digest, at=self._now()))

    def flush(self) -> None:
        """Record what could not be recorded before, where that is possible; never raises."""
        self._owed.flush()

    def require(self) -> None:
        """For writes that can wait.  Raises AuditLogUnwritable where records are owed."""
        if not self._owed.flush():
            raise AuditLogUnwritable(f"{counted(len(self._owed), 'record')} of earlier writes not written yet")

    @property
    def ready(self) -> bool:
        """Whether records can be written: the log takes them, and none has been owed for long."""
        return self._audit.writable and self._owed.timely
