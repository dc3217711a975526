"""What records of writes become in a report."""

import json
from typing import Any

import pytest

from webhook.audit.entry import as_entry
from webhook.report.gathering import CREATED, LEFT, RESTORED, Gathering


def record(reason: str, verb: str = "apply") -> bytes:
    """The record of a write of a namespace's default-deny."""
    target = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "namespace": "shop"}
    whole: dict[str, Any] = {
        "type": "write",
        "time": "2026-01-31T12:00:00.000000Z",
        "verb": verb,
        "objectRef": target | {"name": "catflap-default-deny"},
        "reason": reason,
        "policyDigest": "0",
        "version": "catflap.dev/audit/v1alpha2",
        "catflap": "0.1",
        "chain": "0" * 32,
        "seq": 1,
        "prev": "0" * 64,
        "hash": "0" * 64,
    }
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("reason", "verb", "events"),
    [
        ("created: the namespace is guarded", "apply", [CREATED]),
        ("restored: it was edited or deleted", "apply", [RESTORED]),
        ("rewritten: an object of its name stood there that catflap had not written", "apply", [CREATED]),
        ("removed: the policy file asks for it no longer", "delete", [LEFT]),
        ("not repaired: NetworkPolicy catflap-default-deny does not stay as catflap writes it", "get", []),
    ],
)
def test_only_what_was_written_changes_a_namespace(reason: str, verb: str, events: list[str]) -> None:
    """What could not be repaired isolates nothing."""
    gathering = Gathering()
    entry = as_entry(record(reason, verb))
    assert entry is not None
    gathering.take(entry, "audit.log")
    assert [one.what for one in gathering.ledger.events()] == events
