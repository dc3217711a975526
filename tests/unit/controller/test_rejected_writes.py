"""Tests that rejected writes are reported, and that an API server that does not answer is not."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.samples import HEAD
from webhook.config.parse import Loaded, parse
from webhook.controller.rejected_writes import RejectedWrites, ReportingFollower
from webhook.kube.api import ApiError, abbreviated
from webhook.metrics import COPY, Metrics

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Events:
    """Accepts Events with distinct names."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def create(self, _path: str, body: Any) -> Any:
        """Return the Event; None if one with its name exists."""
        name = body["metadata"]["name"]
        return None if name in self.found else self.found.setdefault(name, body)


class Following:
    """A follower with a configured result."""

    name = COPY
    pending = "it does not fit"

    def __init__(self, error: ApiError | None) -> None:
        self.error = error

    def start(self, on_change: Callable[[], None]) -> None:
        """Watch nothing."""

    def stop(self) -> None:
        """Stop nothing."""

    def sync(self, _loaded: Loaded) -> float:
        """Return the interval, or raise the error."""
        if self.error:
            raise self.error
        return 7.0


def telling(error: ApiError | None, events: Events, metrics: Metrics) -> ReportingFollower:
    """Return a follower that reports rejected writes."""
    refusals = RejectedWrites(events, metrics=metrics, own_namespace="guards", now=lambda: AT)  # type: ignore[arg-type]
    return ReportingFollower(Following(error), refusals)


def value(metrics: Metrics) -> float | None:
    """Return the value of the metric."""
    return metrics.registry.get_sample_value("catflap_policy_sync_failed", {"object": COPY})


@pytest.mark.parametrize("status", [400, 403, 413, 422])
def test_a_rejected_write_is_reported_once_per_file(status: int) -> None:
    """Retries and replicas share one Event."""
    events, metrics = Events(), Metrics()
    for text in (HEAD, HEAD, f"{HEAD}mode: warn"):
        with pytest.raises(ApiError, match="too much"):
            telling(ApiError(status, "too much"), events, metrics).sync(parse(text))
    assert [one["reason"] for one in events.found.values()] == ["PolicyFileNotFollowed"] * 2
    assert {one["note"] for one in events.found.values()} == {"the earlier version stays; it does not fit: too much"}
    assert value(metrics) == 1.0
    assert telling(None, events, metrics).sync(parse(HEAD)) == 7.0
    assert value(metrics) == 0.0


@pytest.mark.parametrize("status", [0, 401, 404, 409, 429, 500, 503])
def test_a_transient_failure_is_not_reported(status: int) -> None:
    """An outage has its own signs."""
    events, metrics = Events(), Metrics()
    with pytest.raises(ApiError):
        telling(ApiError(status, "not now"), events, metrics).sync(parse(HEAD))
    assert (events.found, value(metrics)) == ({}, 0.0)


def test_a_long_message_says_where_and_why() -> None:
    """The text in between is the rejected object."""
    said = f"spec.validations[3].expression: Invalid value: {'x' * 100_000}: compilation failed"
    assert abbreviated(said).startswith("spec.validations[3].expression: ")
    assert abbreviated(said).endswith(": compilation failed")
    assert len(abbreviated(said)) < 1000
    assert abbreviated("as it is") == "as it is"
