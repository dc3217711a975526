"""Validate OCSF events of records with OCSF's own schema of API Activity."""

from functools import cache
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from tests.entries import (
    ACCEPTED_FILE,
    CERTIFICATE,
    DECISION,
    DENIED,
    LEADER,
    REFUSED_FILE,
    START,
    STOP,
    VIOLATION,
    WRITE,
    make_entry,
    without_reason_code,
)
from webhook.audit.ocsf import CLASS, OCSF_VERSION, PROFILE, encode_events, event

EVENTS: dict[str, dict[str, Any]] = {
    "allowed": DECISION,
    "denied": DENIED,
    "unavailable": DECISION | {"decision": "unavailable", "reasonCode": "ClusterLookupFailed", "reason": "no answer"},
    "exempt": DECISION | {"decision": "exempt", "reasonCode": "BreakGlass", "reason": "of the group admins"},
    "unjudged": DECISION | {"decision": "unjudged", "closure": "proven"},
    "patched": DECISION | {"phase": "mutate", "patchedLabels": {"role": "backend"}},
    "warned": DECISION | {"warned": [VIOLATION], "audited": [VIOLATION]},
    "connect": DECISION | {"verb": "connect", "objectRef": {"resource": "pods", "subresource": "exec"}},
    "nameless": DECISION | {"objectRef": {"resource": "pods"}, "user": {"username": "", "groups": []}},
    "unknown": DECISION | {"decision": "of a later release", "policyDigest": ""},
    "write": WRITE,
    "removal": WRITE | {"verb": "delete"},
    "refused file": REFUSED_FILE,
    "accepted file": ACCEPTED_FILE,
    "certificate": CERTIFICATE,
    "leader": LEADER,
    "decision of an earlier format": without_reason_code(DECISION | {"decision": "exempt", "reason": "x"}),
    "write of an earlier format": without_reason_code(WRITE),
}


@cache
def api_activity() -> Draft202012Validator:
    """Return the class in OCSF's schema, with the profile that catflap uses."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF_VERSION))
    name = schema.lookup_class_name_from_uid(class_uid=CLASS)
    return Draft202012Validator(schema.get_class_schema(class_name=name, profiles=[PROFILE]))


def export(*records: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events that a reader of the export gets."""
    return [msgspec.json.decode(line) for line in encode_events(iter([make_entry(record) for record in records]))]


@pytest.mark.parametrize("name", EVENTS)
def test_event_matches_the_schema(name: str) -> None:
    """No required attribute is missing, and no attribute is unknown to the class."""
    [found] = export(EVENTS[name])
    assert [(list(fault.path), fault.message) for fault in api_activity().iter_errors(found)] == []


def test_the_schema_would_complain() -> None:
    """The schema rejects an event without any one of the required attributes."""
    [found] = export(DECISION)
    for required in ("actor", "api", "src_endpoint", "metadata", "time", "severity_id", "type_uid", "activity_id"):
        assert not api_activity().is_valid({key: value for key, value in found.items() if key != required})
    assert not api_activity().is_valid(found | {"surprise": 1})


def test_rejection_is_complete() -> None:
    """The event has the user, the object, the place, the reason and the record."""
    record = make_entry(DENIED)
    assert event(record) == {
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 600301,
        "time": 1769860800123,
        "severity_id": 2,
        "status_id": 2,
        "message": "alice create deployments shop/web: denied",
        "status_code": "RuleViolated",
        "status_detail": "known-role at metadata.labels.role: unknown role 'fronted'",
        "metadata": {
            "version": "1.8.0",
            "product": {"name": "catflap", "vendor_name": "catflap", "version": "0"},
            "profiles": ["security_control"],
            "log_name": "catflap audit",
            "log_version": record.version,
            "event_code": "decision",
            "original_event_uid": f"{record.chain}/1",
            "original_time": "2026-01-31T12:00:00.123456Z",
            "sequence": 1,
            "correlation_uid": "0d1c3a52",
        },
        "actor": {"user": {"name": "alice", "groups": [{"name": "developers"}]}},
        "api": {
            "operation": "create",
            "service": {"name": "kubernetes"},
            "version": "apps/v1",
            "request": {"uid": "0d1c3a52"},
        },
        "resources": [{"type": "deployments", "name": "web", "namespace": "shop"}],
        "src_endpoint": {"name": "unknown"},
        "dst_endpoint": {"svc_name": "kube-apiserver"},
        "action_id": 2,
        "disposition_id": 2,
        "policy": {"name": "catflap", "uid": "0123"},
        "unmapped": {
            "chain": record.chain,
            "seq": 1,
            "hash": record.hash,
            "id": "0d1c3a52",
            "phase": "validate",
            "dryRun": False,
            "decision": "denied",
            "denied": [VIOLATION],
            "policyDigest": "0123",
            "latencyMicroseconds": 250,
        },
    }


@pytest.mark.parametrize(
    ("name", "status", "severity", "action", "disposition"),
    [
        ("allowed", 0, 1, 1, 1),
        ("denied", 2, 2, 2, 2),
        ("unavailable", 2, 3, 2, 27),
        ("exempt", 0, 2, 1, 1),
        ("patched", 0, 1, 4, 1),
        ("write", 1, 1, None, None),
        ("refused file", 2, 3, None, None),
        ("accepted file", 1, 1, None, None),
    ],
)
def test_status_of_the_event(
    name: str, status: int, severity: int, action: int | None, disposition: int | None
) -> None:
    """An admitted request has not necessarily succeeded."""
    [found] = export(EVENTS[name])
    assert (found["status_id"], found["severity_id"]) == (status, severity)
    assert (found.get("action_id"), found.get("disposition_id")) == (action, disposition)


@pytest.mark.parametrize(
    ("name", "activity"),
    [("allowed", (1, "Create")), ("write", (3, "Update")), ("removal", (4, "Delete")), ("connect", (99, "connect")), ("accepted file", (99, "configuration"))],
)  # fmt: skip
def test_activity_follows_the_verb(name: str, activity: tuple[int, str]) -> None:
    """The verb determines the activity, which gets the verb's own name if OCSF has none."""
    [found] = export(EVENTS[name])
    assert (found["activity_id"], found["activity_name"]) == activity
    assert found["type_uid"] == 600300 + activity[0]


def test_records_about_the_chain_are_no_events() -> None:
    """Such records stay in the log."""
    assert len(export(START, DECISION, STOP)) == 1
