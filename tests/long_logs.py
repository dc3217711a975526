"""Audit logs of any length, such as a busy server's would be."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from webhook.audit.chain import GENESIS, seal
from webhook.audit.record import timestamp
from webhook.audit.schema import VERSION

AT: Final = datetime(2026, 1, 31, tzinfo=UTC)
DIGEST: Final = "5f0c1c9dd1b1"
FAULT: Final = {"rule": "known-role", "path": "metadata.labels.role", "message": "unknown role 'fronted'"}


def decision_records(count: int) -> Iterator[dict[str, Any]]:
    """So many decisions, a millisecond apart; one in ten refuses."""
    for number in range(count):
        namespace = f"team-{number % 50}"
        record: dict[str, Any] = {
            "type": "decision",
            "time": timestamp(AT + timedelta(milliseconds=number)),
            "id": f"0d1c3a52-6f0e-4a55-9e6a-{number:012x}",
            "phase": "validate",
            "user": {
                "username": f"system:serviceaccount:{namespace}:deployer",
                "groups": ["system:serviceaccounts", "system:authenticated"],
            },
            "verb": "create",
            "objectRef": {"apiVersion": "v1", "resource": "pods", "namespace": namespace, "name": f"web-{number}"},
            "dryRun": False,
            "decision": "allowed" if number % 10 else "denied",
            "policyDigest": DIGEST,
            "latencyMicroseconds": 100 + number % 400,
            "closure": "proven",
        }
        yield record if number % 10 else record | {"denied": [FAULT]}


def write_long_log(path: Path, count: int) -> None:
    """A chain of decisions without start or signatures: quick to make, and every record is what its hash says."""
    prev = GENESIS
    with path.open("wb") as file:
        for seq, record in enumerate(decision_records(count)):
            line, prev = seal(
                record | {"version": VERSION, "catflap": "0", "chain": "0" * 32, "seq": seq, "prev": prev}
            )
            file.write(line)
