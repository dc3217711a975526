"""Merge repeated Events: post each Event once, then update its count.

A Deployment whose Pods are refused retries for ever, and a user who may create Pods can cause any number of refusals. So the same Event
about the same object is posted once, the number of new Events per namespace and minute is limited, and all of them together cost the API
server at most a few requests per second.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from webhook.kube.api import NOT_FOUND, Api, ApiError
from webhook.kube.events import EventDetails, Reporter, build_event, collection, series_patch
from webhook.kube.owners import owner_exists
from webhook.kube.paths import under
from webhook.model.workload import Owner
from webhook.netpol.manifest import Manifest

# New Events of one namespace: a team's first mistakes at once, then one every 30 s.
NAMESPACE_BURST, NAMESPACE_SECONDS = 10, 30.0
# All writes of one process: an outage of many workloads must not overload the API server.
BURST, SECONDS = 50, 0.5
# Series in memory, some hundred bytes each.
MOST_SERIES = 2000


class EventOutcome(StrEnum):
    """The outcome of an Event; also the values of a metric's label.

    `created`: posted. `counted`: merged into an existing Event. `limited`: rate-limited. `failed`: rejected by the API.
    `dropped`: the queue was full.
    """

    CREATED = "created"
    COUNTED = "counted"
    LIMITED = "limited"
    FAILED = "failed"
    DROPPED = "dropped"


class EventRequest(Struct, frozen=True):
    """An Event to post about an object, or about its claimed `owner` where that exists."""

    regarding: Manifest
    happened: EventDetails
    owner: Owner | None = None

    @property
    def namespace(self) -> str:
        """Return the namespace of the Event."""
        return str(self.regarding["metadata"].get("namespace", ""))

    @property
    def key(self) -> tuple[str, ...]:
        """Return the key of the series: equal for requests with the same content about the same object."""
        metadata = self.regarding["metadata"]
        owner = self.owner.uid if self.owner else ""
        return (
            self.namespace,
            self.regarding["kind"],
            metadata["name"],
            owner,
            self.happened.reason,
            self.happened.note,
        )


class EventSeries(Struct, frozen=True):
    """A posted Event: its path, its count, the count that the API server has, and the time of the last occurrence."""

    path: str
    count: int
    shown: int
    last: datetime


class TokenBucket:
    """A token bucket for each key: `burst` tokens at first, then one token every `seconds`."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._burst = burst
        self._seconds = seconds
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str, at: float) -> bool:
        """Take a token of a key at a time of the monotonic clock; return whether there was one."""
        left = self._at(key, at)
        if left < 1:
            return False
        self._left = {one: self._left[one] for one in self._left if self._at(one, at) < self._burst}
        self._left[key] = (left - 1, at)
        return True

    def _at(self, key: str, at: float) -> float:
        left, since = self._left.get(key, (self._burst, at))
        return min(self._burst, left + (at - since) / self._seconds)


class EventSeriesRecorder:
    """Posts Events and updates their counts; not safe to share between threads."""

    def __init__(self, api: Api, reporter: Reporter, *, clock: Callable[[], float]) -> None:
        self._api = api
        self._reporter = reporter
        self._clock = clock
        self._posted: OrderedDict[tuple[str, ...], EventSeries] = OrderedDict()
        self.has_unwritten_counts = False
        self._of_namespace = TokenBucket(NAMESPACE_BURST, NAMESPACE_SECONDS)
        self._of_all = TokenBucket(BURST, SECONDS)

    def record(self, request: EventRequest, at: datetime) -> EventOutcome:
        """Post an Event, or count it where it was posted before.  Raises ApiError."""
        key = request.key
        found = self._posted.get(key)
        if found is not None:
            self._posted[key] = replace(found, count=found.count + 1, last=at)
            self._posted.move_to_end(key)
            self.has_unwritten_counts = True
            return EventOutcome.COUNTED
        moment = self._clock()
        if not (self._of_namespace.take(request.namespace, moment) and self._of_all.take("", moment)):
            return EventOutcome.LIMITED
        event = build_event(self._subject(request), request.happened, at, self._reporter)
        self._api.create(collection(event), event)
        self._posted[key] = EventSeries(under(collection(event), event["metadata"]["name"]), 1, 1, at)
        if len(self._posted) > MOST_SERIES:
            self._posted.popitem(last=False)
        return EventOutcome.CREATED

    def write_counts(self) -> None:
        """Write the changed counts, within the rate limit.  Raises ApiError."""
        for key, one in list(self._posted.items()):
            if one.count == one.shown:
                continue
            if not self._of_all.take("", self._clock()):
                return
            try:
                self._api.merge(one.path, series_patch(one.count, one.last))
            except ApiError as error:
                if error.status != NOT_FOUND:
                    raise
                del self._posted[key]  # the API server deletes Events after an hour: the next occurrence is a new Event
            else:
                self._posted[key] = replace(one, shown=one.count)
        self.has_unwritten_counts = False

    def _subject(self, request: EventRequest) -> Manifest:
        """Return the subject of an Event: the owner where it exists, else the object of the request."""
        owner = request.owner
        if owner is None or not owner_exists(self._api, request.namespace, owner):
            return request.regarding
        metadata = {"namespace": request.namespace, "name": owner.name, "uid": owner.uid}
        return {"apiVersion": owner.api_version, "kind": owner.kind, "metadata": metadata}
