"""What the policy file asks for and the API server does not take is told where who answers for the file looks.

The file is checked so that there is no such thing (webhook.model.limits); where there is all the same, by another release of
Kubernetes or by somebody's policy about such objects, what stood before stays, and nobody should have to find that in a log.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from webhook.config.parse import Loaded
from webhook.controller.loop import Follower
from webhook.kube.api import Api, ApiError
from webhook.kube.events import EventDetails, event_key, policy_file_reference, post_event
from webhook.metrics import Metrics


class Refusals:
    """Tells of writes that are refused: an Event on the policy file for each, and a metric as long as it is so."""

    def __init__(self, api: Api, *, metrics: Metrics, own_namespace: str, now: Callable[[], datetime]) -> None:
        self._api = api
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now

    def told(self, name: str, note: str, digest: str) -> None:
        """Something is refused, under the policy file of a digest; replicas, and tries, tell it once."""
        self._metrics.not_followed[name].set(1)
        happened = EventDetails("PolicyFileNotFollowed", "Write", note, key=event_key(f"{digest} {note}"))
        post_event(self._api, policy_file_reference(self._own_namespace), happened, self._now())

    def over(self, name: str) -> None:
        """Nothing of it is refused."""
        self._metrics.not_followed[name].set(0)


class Written(Follower, Protocol):
    """A follower that writes, by the name that the metric has for it."""

    name: str


class Telling:
    """Follows the policy file as another does, and tells of each of its writes that is refused."""

    def __init__(self, follower: Written, refusals: Refusals) -> None:
        self._follower = follower
        self._refusals = refusals
        self.pending = follower.pending

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin to watch."""
        self._follower.start(on_change)

    def stop(self) -> None:
        """End it."""
        self._follower.stop()

    def follow(self, loaded: Loaded) -> float:
        """As the other does.  Raises ApiError, after it is told where it is a refusal."""
        try:
            wait = self._follower.follow(loaded)
        except ApiError as error:
            if error.refused:
                note = f"what stood before stays; {self.pending}: {error}"
                self._refusals.told(self._follower.name, note, loaded.digest)
            raise
        self._refusals.over(self._follower.name)
        return wait


def telling(*followers: Written, refusals: Refusals) -> Mapping[str, Follower]:
    """Each of them by a name that no namespace has, with its refusals told."""
    return {f"/{one.name}": Telling(one, refusals) for one in followers}
