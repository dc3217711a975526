"""Sample logs, as processes leave them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from webhook.audit.chain import Link
from webhook.audit.log import KEY_LIFETIME, AuditLog
from webhook.audit.record import write_record
from webhook.model.reason import Reason, ReasonCode

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
MANIFEST = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "catflap-default-deny"}}
RECORD = write_record(MANIFEST, why=Reason(ReasonCode.POLICY_CREATED, "created"), policy_digest="0123", at=AT)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = AT

    def __call__(self) -> datetime:
        """Return the current time."""
        return self.time

    def advance(self, by: timedelta) -> None:
        """Advance the clock."""
        self.time += by


def make_log(path: Path, clock: Clock, **options: Any) -> AuditLog:
    """Return a process's log with a clock."""
    return AuditLog(str(path), process="serve", now=clock, **options)


def append_record(log: AuditLog, record: Mapping[str, object] = RECORD) -> Link:
    """Write a record and return its place."""
    link = log.append(record)
    assert link is not None
    return link


def write_two_chains(path: Path, **options: Any) -> list[bytes]:
    """Return the log of two processes in sequence: start, write, key, write, stop, start, write, stop."""
    clock = Clock()
    for life in (KEY_LIFETIME, timedelta(0)):
        log = make_log(path, clock, **options)
        log.append(RECORD)
        if life:
            clock.advance(life)
            log.poll()
            log.append(RECORD)
        log.stop()
    return path.read_bytes().splitlines(keepends=True)
