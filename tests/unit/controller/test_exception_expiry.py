"""Tests that expiring exceptions are announced once a day."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.samples import HEAD
from webhook.config.parse import parse
from webhook.controller.exception_expiry import ExceptionExpiry
from webhook.metrics import Metrics

LINE = "  - {{rule: require-app, namespace: shop, owner: team-a, reason: migration, until: {}}}\n"


class Cluster:
    """Accepts Events with distinct names."""

    def __init__(self) -> None:
        self.events: dict[str, Any] = {}

    def create(self, _path: str, body: Any) -> Any:
        """Return the Event; None if one with its name exists."""
        name = body["metadata"]["name"]
        return None if name in self.events else self.events.setdefault(name, body)


def followed(cluster: Cluster, at: datetime, *until: str) -> float:
    """Return the result at a time, for a file with exceptions that end on these days."""
    text = f"{HEAD}exceptions:\n{''.join(map(LINE.format, until))}" if until else HEAD
    endings = ExceptionExpiry(cluster, metrics=Metrics(), own_namespace="guards", now=lambda: at)  # type: ignore[arg-type]
    return endings.sync(parse(text))


@pytest.mark.parametrize(
    ("until", "told"), [("2026-11-24", 0), ("2026-11-25", 1), ("2026-12-01", 1), ("2026-12-02", 0), ("9999-12-31", 0)]
)
def test_an_exception_is_announced_in_its_last_week(until: str, told: int) -> None:
    """The week includes the last day. No Event is sent before or after it."""
    cluster = Cluster()
    followed(cluster, datetime(2026, 11, 25, 12, tzinfo=UTC), until)
    assert len(cluster.events) == told


def test_replicas_announce_it_once_a_day() -> None:
    """Replicas announce it at different times of a day; on the next day there is another Event."""
    cluster = Cluster()
    for at in (datetime(2026, 11, 25, 1, tzinfo=UTC), datetime(2026, 11, 25, 23, tzinfo=UTC)):
        followed(cluster, at, "2026-11-28")
    assert len(cluster.events) == 1
    followed(cluster, datetime(2026, 11, 26, tzinfo=UTC), "2026-11-28")
    assert len(cluster.events) == 2


def test_it_looks_again_when_the_day_is_over() -> None:
    """Days are in UTC. Without exceptions nothing is scheduled."""
    at = datetime(2026, 11, 25, 23, 59, tzinfo=UTC)
    assert followed(Cluster(), at, "2027-01-31") == 60.0
    assert followed(Cluster(), at) == 0.0
