"""Tests that a path that is not rotated in time is reported, and that a merely old path is not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from webhook.controller.path_age import LATE_PERIODS, PathAgeReporter
from webhook.controller.path_rotation import RotationSchedule
from webhook.kube.api import Json
from webhook.metrics import Metrics

LATE = LATE_PERIODS * RotationSchedule().period


class Events:
    """Keeps the Events that were created."""

    def __init__(self) -> None:
        self.made: list[Json] = []

    def create(self, _path: str, body: Json) -> Json:
        """Keep the Event."""
        self.made.append(body)
        return body


def path_age(events: Events, metrics: Metrics) -> PathAgeReporter:
    """Return a reporter with a fixed clock."""
    api: Any = events
    return PathAgeReporter(
        api,
        metrics=metrics,
        own_namespace="own",
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        schedule=RotationSchedule(),
    )


@pytest.mark.parametrize(
    ("age", "trouble", "sound"),
    [(LATE + 1, "forbidden", False), (LATE, "forbidden", True), (LATE + 1, "", True), (-5.0, "", True)],
)
def test_only_a_path_that_is_kept_from_being_changed_is_reported(age: float, trouble: str, sound: bool) -> None:
    """Readiness, a metric and one Event report it."""
    events, metrics = Events(), Metrics()
    shown = path_age(events, metrics)
    shown.report(age, trouble)
    shown.report(age, trouble)
    assert shown.is_rotated_in_time is sound
    assert metrics.registry.get_sample_value("catflap_webhook_path_age_seconds") == max(0.0, age)
    assert [one["regarding"]["name"] for one in events.made] == ([] if sound else ["catflap-webhook-path"])
    shown.report(1.0, "")
    assert shown.is_rotated_in_time
