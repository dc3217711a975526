"""Namespaces of the API server are converted to values."""

from datetime import UTC, datetime

from webhook.kube.namespaces import parse_namespace, parse_time
from webhook.model.namespace import Namespace

METADATA = {"name": "shop", "uid": "1", "creationTimestamp": "2026-01-31T12:00:00Z"}


def test_a_namespace_is_read() -> None:
    """The value has all fields that decide about isolation."""
    born = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
    assert parse_namespace({"metadata": {**METADATA, "labels": {"a": "b"}}}) == Namespace(
        "shop", "1", {"a": "b"}, born, terminating=False
    )


def test_a_namespace_without_labels_has_none() -> None:
    """The labels are absent or null."""
    assert parse_namespace({"metadata": METADATA}).labels == {}
    assert parse_namespace({"metadata": {**METADATA, "labels": None}}).labels == {}


def test_a_terminating_namespace_has_a_deletion_timestamp() -> None:
    """The phase changes later than the deletion timestamp."""
    assert parse_namespace({"metadata": {**METADATA, "deletionTimestamp": "2026-01-31T12:00:01Z"}}).terminating


def test_times_have_their_zone() -> None:
    """Times can be compared."""
    assert parse_time("2026-01-31T12:00:00Z") == datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
