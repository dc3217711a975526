"""Test which records match a query."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.entries import (
    ACCEPTED_FILE,
    DECISION,
    DENIED,
    REFUSED_FILE,
    START,
    STOP,
    VIOLATION,
    WRITE,
    make_entry,
    without_reason_code,
)
from webhook.audit.query import Query, parse_time, record_types
from webhook.audit.schema import schema

AT = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

HITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, DECISION),
    ({}, STOP),
    ({"begin": AT}, DECISION),
    ({"end": AT + MICROSECOND}, DECISION),
    ({"begin": datetime(2026, 1, 31, 13, tzinfo=UTC).astimezone() - timedelta(hours=2)}, DECISION),
    ({"types": ["write", "decision"]}, WRITE),
    ({"decisions": ["denied"]}, DENIED),
    ({"users": ["alice"]}, DECISION),
    ({"users": ["bob", "al*"]}, DECISION),
    ({"groups": ["dev*"]}, DECISION),
    ({"namespaces": ["shop"]}, DECISION),
    ({"namespaces": ["*"]}, START),
    ({"resources": ["deployments"]}, DECISION),
    ({"resources": ["Deployments"]}, DECISION),
    ({"resources": ["networkpolicy"]}, WRITE),
    ({"resources": ["NetworkPolicy"]}, WRITE),
    ({"resources": ["pods"]}, DECISION | {"objectRef": {"resource": "pods", "subresource": "status"}}),
    ({"resources": ["pods/status"]}, DECISION | {"objectRef": {"resource": "pods", "subresource": "status"}}),
    ({"names": ["catflap-*"]}, WRITE),
    ({"rules": ["known-role"]}, DENIED),
    ({"rules": ["known-role"]}, DECISION | {"warned": [VIOLATION]}),
    ({"rules": ["known-role"]}, DECISION | {"audited": [VIOLATION]}),
    ({"rules": ["known-role"], "users": ["alice"], "decisions": ["denied"]}, DENIED),
    ({"reasons": ["RuleViolated"]}, DENIED),
    ({"reasons": ["Policy*"]}, WRITE),
    ({"reasons": ["PolicyFile*"]}, REFUSED_FILE),
    ({"reasons": ["NoViolation", "PolicyCreated"]}, WRITE),
    ({"names": ["a.c"]}, DECISION | {"objectRef": {"name": "a.c"}}),
    ({"names": ["a*c"]}, DECISION | {"objectRef": {"name": "a\nc"}}),
]
MISSES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"begin": AT + MICROSECOND}, DECISION),
    ({"end": AT}, DECISION),
    ({"types": ["write"]}, DECISION),
    ({"decisions": ["denied"]}, DECISION),
    ({"decisions": ["denied"]}, REFUSED_FILE),
    ({"users": ["alic"]}, DECISION),
    ({"users": ["lice"]}, DECISION),
    ({"users": ["Alice"]}, DECISION),
    ({"users": ["alice"]}, WRITE),
    ({"groups": ["*"]}, ACCEPTED_FILE),
    ({"namespaces": ["sho"]}, DECISION),
    ({"namespaces": ["shop"]}, START),
    ({"resources": ["pods"]}, DECISION),
    ({"resources": ["pods/status"]}, DECISION | {"objectRef": {"resource": "pods"}}),
    ({"names": ["a.c"]}, DECISION | {"objectRef": {"name": "abc"}}),
    ({"rules": ["known-role"]}, DECISION),
    ({"rules": ["known-role"], "users": ["bob"]}, DENIED),
    ({"reasons": ["RuleViolated"]}, DECISION),
    ({"reasons": ["Rule"]}, DENIED),
    ({"reasons": ["PolicyCreated"]}, without_reason_code(WRITE)),
    ({"reasons": ["NoViolation"]}, START),
]


@pytest.mark.parametrize(("asked", "record"), HITS)
def test_a_record_answers(asked: dict[str, Any], record: dict[str, Any]) -> None:
    """The record meets all conditions."""
    assert Query(**asked).compile()(make_entry(record))


@pytest.mark.parametrize(("asked", "record"), MISSES)
def test_a_record_does_not_answer(asked: dict[str, Any], record: dict[str, Any]) -> None:
    """The record fails a condition."""
    assert not Query(**asked).compile()(make_entry(record))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", "2026-01-31T00:00:00+00:00"),
        ("2026-01-31T12:00", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00+00:00"),
        ("2026-01-31T12:00:00.5+02:00", "2026-01-31T10:00:00.500000+00:00"),
    ],
)
def test_time_without_a_zone_is_utc(text: str, expected: str) -> None:
    """A date means its first moment."""
    assert parse_time(text).astimezone(UTC).isoformat() == expected


def test_every_type_of_the_schema_is_a_filter() -> None:
    """The test finds a new type that queries lack."""
    told = [part["properties"]["type"]["enum"][0] for part in schema()["$defs"].values() if is_record(part)]
    assert sorted(record_types()) == sorted(told)


def is_record(part: dict[str, Any]) -> bool:
    """Return whether a part of the schema is a type of record."""
    return "type" in part.get("properties", {}) and "seq" in part["properties"]
