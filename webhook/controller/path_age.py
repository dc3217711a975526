"""Shows how old the secret path is, and reports one that is not changed in time: by metric, readiness, log and Event."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from webhook.controller.rotation import Pace
from webhook.kube.api import Api
from webhook.kube.events import EventDetails, event_key, post_event
from webhook.metrics import Metrics
from webhook.model.names import PATH_SECRET

logger = logging.getLogger(__name__)

# So many periods may pass before an old path is reported: servers that are rolled out, or an outage, delay a rotation by less.
LATE_PERIODS: Final = 3


class PathAge:
    """Is told after each look at the path; replicas that report the same thing make one Event of it."""

    def __init__(
        self, api: Api, *, metrics: Metrics, own_namespace: str, now: Callable[[], datetime], pace: Pace
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._late = LATE_PERIODS * pace.period
        self._reported = ""

    @property
    def sound(self) -> bool:
        """Whether the path is changed in time."""
        return not self._reported

    def show(self, age: float, trouble: str) -> None:
        """Report the age of the registered path, in seconds, and what keeps it from being changed; empty where nothing does."""
        self._metrics.path_age.set(max(0.0, age))
        late = trouble if age > self._late else ""
        if late and late != self._reported:
            note = f"the secret path of reviews is old, as it cannot be changed: {late}"
            logger.error("%s", note)
            metadata = {"name": PATH_SECRET, "namespace": self._own_namespace}
            about = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
            post_event(
                self._api, about, EventDetails("PathNotChanged", "Rotate", note, key=event_key(late)), self._now()
            )
        self._reported = late
