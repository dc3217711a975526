"""Events that come again and again: one Event for each thing that is said, then a count that is brought up to date.

A Deployment whose Pods are refused tries for ever, and whoever may create Pods can be refused as often as they like. So
the same thing said of the same object is told once, each namespace has so many new Events a minute, and all of them
together cost the API server no more than a few requests a second.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from webhook.kube.api import NOT_FOUND, Api, ApiError
from webhook.kube.events import Happened, Reporter, collection, event, series
from webhook.kube.owners import stands
from webhook.kube.paths import under
from webhook.model.workload import Owner
from webhook.netpol.manifest import Manifest

# New Events of one namespace: a team's first mistakes at once, then one in half a minute.
NAMESPACE_BURST, NAMESPACE_SECONDS = 10, 30.0
# Writes of all kinds, of one process: an outage of everything must not become one of the API server.
BURST, SECONDS = 50, 0.5
# What is remembered, some hundred bytes each.
MOST_SERIES = 2000


class Told(StrEnum):
    """What became of something that was to be told; also the values of a metric's label.

    `counted` was told before; `limited` came when there was too much to tell already; `dropped` never got so far.
    """

    CREATED = "created"
    COUNTED = "counted"
    LIMITED = "limited"
    FAILED = "failed"
    DROPPED = "dropped"


class Statement(Struct, frozen=True):
    """Something to tell about an object, or rather about its claimed `owner` where that is believed."""

    regarding: Manifest
    happened: Happened
    owner: Owner | None = None

    @property
    def space(self) -> str:
        """The namespace in which it is told."""
        return str(self.regarding["metadata"].get("namespace", ""))

    @property
    def key(self) -> tuple[str, ...]:
        """What is the same for statements that say the same of the same object."""
        metadata = self.regarding["metadata"]
        owner = self.owner.uid if self.owner else ""
        return (self.space, self.regarding["kind"], metadata["name"], owner, self.happened.reason, self.happened.note)


class Standing(Struct, frozen=True):
    """An Event that was told: where it is, how often it happened, how often people see that it did, and when it did last."""

    path: str
    count: int
    shown: int
    last: datetime


class Bucket:
    """So many at once, and then one in so many seconds, for each key."""

    def __init__(self, burst: int, seconds: float) -> None:
        self._burst = burst
        self._seconds = seconds
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, key: str, at: float) -> bool:
        """Whether there is one left for a key at a moment on the monotonic clock."""
        left = self._at(key, at)
        if left < 1:
            return False
        self._left = {one: self._left[one] for one in self._left if self._at(one, at) < self._burst}
        self._left[key] = (left - 1, at)
        return True

    def _at(self, key: str, at: float) -> float:
        left, since = self._left.get(key, (self._burst, at))
        return min(self._burst, left + (at - since) / self._seconds)


class Series:
    """Tells statements as Events; not safe to share between threads."""

    def __init__(self, api: Api, reporter: Reporter, *, clock: Callable[[], float]) -> None:
        self._api = api
        self._reporter = reporter
        self._clock = clock
        self._standing: OrderedDict[tuple[str, ...], Standing] = OrderedDict()
        self.behind = False  # whether something was counted that people do not see yet
        self._of_namespace = Bucket(NAMESPACE_BURST, NAMESPACE_SECONDS)
        self._of_all = Bucket(BURST, SECONDS)

    def tell(self, statement: Statement, at: datetime) -> Told:
        """Tell a statement, or count it where it was told before.  Raises ApiError."""
        key = statement.key
        found = self._standing.get(key)
        if found is not None:
            self._standing[key] = replace(found, count=found.count + 1, last=at)
            self._standing.move_to_end(key)
            self.behind = True
            return Told.COUNTED
        moment = self._clock()
        if not (self._of_namespace.take(statement.space, moment) and self._of_all.take("", moment)):
            return Told.LIMITED
        told = event(self._believed(statement), statement.happened, at, self._reporter)
        self._api.create(collection(told), told)
        self._standing[key] = Standing(under(collection(told), told["metadata"]["name"]), 1, 1, at)
        if len(self._standing) > MOST_SERIES:
            self._standing.popitem(last=False)
        return Told.CREATED

    def catch_up(self) -> None:
        """Show how often each thing happened, as far as there are writes left.  Raises ApiError."""
        for key, one in list(self._standing.items()):
            if one.count == one.shown:
                continue
            if not self._of_all.take("", self._clock()):
                return
            try:
                self._api.merge(one.path, series(one.count, one.last))
            except ApiError as error:
                if error.status != NOT_FOUND:
                    raise
                del self._standing[key]  # the API server forgets Events after an hour: the next time is a new one
            else:
                self._standing[key] = replace(one, shown=one.count)
        self.behind = False

    def _believed(self, statement: Statement) -> Manifest:
        """What an Event is about: the owner, where it is there, else what is known to be."""
        owner = statement.owner
        if owner is None or not stands(self._api, statement.space, owner):
            return statement.regarding
        metadata = {"namespace": statement.space, "name": owner.name, "uid": owner.uid}
        return {"apiVersion": owner.api_version, "kind": owner.kind, "metadata": metadata}
