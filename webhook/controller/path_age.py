"""Reports the age of the secret path, and a path that is not rotated in time, by metric, readiness, log and Event."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from webhook.controller.path_rotation import RotationSchedule
from webhook.kube.api import Api
from webhook.kube.events import EventDetails, digest_key, post_event
from webhook.metrics import Metrics
from webhook.model.names import PATH_SECRET

logger = logging.getLogger(__name__)

# The periods that may pass before an old path is reported. A rollout of the servers or an outage delays a rotation by
# less.
LATE_PERIODS: Final = 3


class PathAgeReporter:
    """Receives the age after each pass of the rotation; replicas share one Event per text."""

    def __init__(
        self, api: Api, *, metrics: Metrics, own_namespace: str, now: Callable[[], datetime], schedule: RotationSchedule
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._late = LATE_PERIODS * schedule.period
        self._reported = ""

    @property
    def is_rotated_in_time(self) -> bool:
        """Return whether the path is rotated in time."""
        return not self._reported

    def report(self, age: float, trouble: str) -> None:
        """Report the age of the registered path in seconds, and what prevents its rotation; empty if nothing does."""
        self._metrics.path_age.set(max(0.0, age))
        late = trouble if age > self._late else ""
        if late and late != self._reported:
            note = (
                f"the secret path of reviews is older than its period, because the controller cannot change it: {late}"
            )
            logger.error("%s", note)
            metadata = {"name": PATH_SECRET, "namespace": self._own_namespace}
            about = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
            post_event(
                self._api, about, EventDetails("PathNotChanged", "Rotate", note, key=digest_key(late)), self._now()
            )
        self._reported = late
