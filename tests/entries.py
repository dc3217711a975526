"""Records as they are read back, each a line away from what it says."""

from typing import Any, Final

import msgspec

from tests.audit_logs import with_chain_fields
from webhook.audit.chain import seal
from webhook.audit.log_entry import LogEntry, parse_entry

TIME: Final = "2026-01-31T12:00:00.123456Z"
VIOLATION: Final = {"rule": "known-role", "path": "metadata.labels.role", "message": "unknown role 'fronted'"}

DECISION: Final[dict[str, Any]] = {
    "type": "decision",
    "time": TIME,
    "id": "0d1c3a52",
    "phase": "validate",
    "user": {"username": "alice", "groups": ["developers"]},
    "verb": "create",
    "objectRef": {
        "apiGroup": "apps",
        "apiVersion": "v1",
        "resource": "deployments",
        "namespace": "shop",
        "name": "web",
    },
    "dryRun": False,
    "decision": "allowed",
    "reasonCode": "NoViolation",
    "policyDigest": "0123",
    "latencyMicroseconds": 250,
}
DENIED: Final = DECISION | {"decision": "denied", "reasonCode": "RuleViolated", "denied": [VIOLATION]}
WRITE: Final[dict[str, Any]] = {
    "type": "write",
    "time": TIME,
    "verb": "apply",
    "objectRef": {
        "apiVersion": "projectcalico.org/v3",
        "kind": "NetworkPolicy",
        "namespace": "shop",
        "name": "catflap-default-deny",
    },
    "reasonCode": "PolicyCreated",
    "reason": "created",
    "policyDigest": "0123",
}
REFUSED_FILE: Final[dict[str, Any]] = {
    "type": "configuration",
    "time": TIME,
    "accepted": False,
    "reasonCode": "PolicyFileRefused",
    "policyDigest": "0123",
    "faults": ["mode: 'loud' is none of enforce, warn, audit, off"],
}
ACCEPTED_FILE: Final[dict[str, Any]] = {
    "type": "configuration",
    "time": TIME,
    "accepted": True,
    "reasonCode": "PolicyFileAccepted",
    "policyDigest": "4567",
}
CERTIFICATE: Final[dict[str, Any]] = {
    "type": "certificate",
    "time": TIME,
    "serving": {
        "serial": "2a",
        "fingerprint": "f" * 64,
        "issuer": "CN=catflap webhook CA",
        "names": ["catflap.catflap-system.svc"],
        "notBefore": TIME,
        "notAfter": TIME,
    },
    "reasonCode": "CertificateReplaced",
    "reason": "the folder contains another pair",
}
LEADER: Final[dict[str, Any]] = {
    "type": "leader",
    "time": TIME,
    "objectRef": {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "namespace": "catflap-system",
        "name": "catflap-controller",
    },
    "candidate": "catflap-controller-7d4b_1f2e3d4c",
    "leads": True,
    "reasonCode": "LeaseAcquired",
    "reason": "no replica held the Lease",
}
START: Final[dict[str, Any]] = {
    "type": "start",
    "time": TIME,
    "writer": {"process": "serve", "pid": 7},
    "publicKey": "",
}
STOP: Final[dict[str, Any]] = {"type": "stop", "time": TIME, "signature": ""}


def make_entry(record: dict[str, Any], **other: Any) -> LogEntry:
    """A record with other values here and there, as it is read."""
    found = parse_entry(msgspec.json.encode(with_chain_fields(record | other)))
    assert found is not None
    return found


def without_reason_code(record: dict[str, Any]) -> dict[str, Any]:
    """A record as formats before v1alpha4 have it: without a reason code."""
    return {key: value for key, value in record.items() if key != "reasonCode"}


def make_line(record: dict[str, Any], **other: Any) -> bytes:
    """The same as its line in a log, without the line's end."""
    return seal({key: value for key, value in with_chain_fields(record | other).items() if key != "hash"})[0][:-1]
