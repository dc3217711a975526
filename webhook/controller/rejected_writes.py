"""Reports writes that the API server rejects: by an Event on the policy file, and by a metric.

Validation of the policy file prevents such writes (webhook.model.limits). They can still occur with another
Kubernetes release, or with another admission policy for these objects. The old objects then stay, and the
administrator of the file must not have to search a log to find out.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from webhook.config.parse import Loaded
from webhook.controller.loop import Follower
from webhook.kube.api import Api, ApiError
from webhook.kube.events import EventDetails, digest_key, policy_file_reference, post_event
from webhook.metrics import Metrics


class RejectedWrites:
    """Publishes one Event on the policy file per rejected write, and a metric while it is rejected."""

    def __init__(self, api: Api, *, metrics: Metrics, own_namespace: str, now: Callable[[], datetime]) -> None:
        self._api = api
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now

    def report(self, name: str, note: str, digest: str) -> None:
        """Report a rejected write for a policy file; replicas and retries share one Event."""
        self._metrics.sync_failed[name].set(1)
        happened = EventDetails("PolicyFileNotFollowed", "Write", note, key=digest_key(f"{digest} {note}"))
        post_event(self._api, policy_file_reference(self._own_namespace), happened, self._now())

    def clear(self, name: str) -> None:
        """Clear the metric, as no write is rejected any more."""
        self._metrics.sync_failed[name].set(0)


class NamedFollower(Follower, Protocol):
    """A follower that writes, with its name in the metric."""

    name: str


class ReportingFollower:
    """Wraps a follower, and reports each of its writes that is rejected."""

    def __init__(self, follower: NamedFollower, rejected_writes: RejectedWrites) -> None:
        self._follower = follower
        self._rejected_writes = rejected_writes
        self.pending = follower.pending

    def start(self, on_change: Callable[[], None]) -> None:
        """Start the watches."""
        self._follower.start(on_change)

    def stop(self) -> None:
        """Stop the watches."""
        self._follower.stop()

    def sync(self, loaded: Loaded) -> float:
        """Run the follower. Raises ApiError, after reporting it if it is a rejection."""
        try:
            wait = self._follower.sync(loaded)
        except ApiError as error:
            if error.refused:
                note = f"the earlier version stays; {self.pending}: {error}"
                self._rejected_writes.report(self._follower.name, note, loaded.digest)
            raise
        self._rejected_writes.clear(self._follower.name)
        return wait


def reporting_followers(*followers: NamedFollower, rejected_writes: RejectedWrites) -> Mapping[str, Follower]:
    """Return each follower under a name that no namespace can have, wrapped to report rejections."""
    return {f"/{one.name}": ReportingFollower(one, rejected_writes) for one in followers}
