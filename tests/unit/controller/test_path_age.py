"""A path that is not changed in time is reported; one that is merely old is not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from webhook.controller.path_age import LATE_PERIODS, PathAge
from webhook.controller.rotation import Pace
from webhook.kube.api import Json
from webhook.metrics import Metrics

LATE = LATE_PERIODS * Pace().period


class Events:
    """The Events that were created."""

    def __init__(self) -> None:
        self.made: list[Json] = []

    def create(self, _path: str, body: Json) -> Json:
        """Keep it."""
        self.made.append(body)
        return body


def path_age(events: Events, metrics: Metrics) -> PathAge:
    """With a clock that stands still."""
    api: Any = events
    return PathAge(api, metrics=metrics, own_namespace="own", now=lambda: datetime(2026, 1, 1, tzinfo=UTC), pace=Pace())


@pytest.mark.parametrize(
    ("age", "trouble", "sound"),
    [(LATE + 1, "forbidden", False), (LATE, "forbidden", True), (LATE + 1, "", True), (-5.0, "", True)],
)
def test_only_a_path_that_is_kept_from_being_changed_is_reported(age: float, trouble: str, sound: bool) -> None:
    """By readiness, metric and one Event."""
    events, metrics = Events(), Metrics()
    shown = path_age(events, metrics)
    shown.show(age, trouble)
    shown.show(age, trouble)
    assert shown.sound is sound
    assert metrics.registry.get_sample_value("catflap_webhook_path_age_seconds") == max(0.0, age)
    assert [one["regarding"]["name"] for one in events.made] == ([] if sound else ["catflap-webhook-path"])
    shown.show(1.0, "")
    assert shown.sound
