"""Repeated Events cause few requests to the API server."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.clocks import Clock
from webhook.kube.api import NOT_FOUND, Api, ApiError, Json
from webhook.kube.event_series import (
    BURST,
    MOST_SERIES,
    NAMESPACE_BURST,
    NAMESPACE_SECONDS,
    SECONDS,
    EventOutcome,
    EventRequest,
    EventSeriesRecorder,
)
from webhook.kube.events import NOTE_LENGTH, EventDetails, Reporter, truncated_note
from webhook.model.workload import Owner

AT: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
OWNER: Final = Owner("apps/v1", "ReplicaSet", "web-7d4b", "42")


class Cluster(Api):
    """An API server that stores Events, and has one ReplicaSet."""

    def __init__(self) -> None:
        self.events: dict[str, Json] = {}
        self.counts: list[int] = []
        self.asked: list[str] = []
        self.down = False

    @property
    def writes(self) -> int:
        """Return the number of writes."""
        return len(self.events) + len(self.counts)

    def get(self, path: str, **_query: str) -> Json | None:
        """Return the ReplicaSet for its path."""
        self.asked.append(path)
        metadata = {"namespace": "shop", "name": "web-7d4b", "uid": "42"}
        return {"metadata": metadata} if path.endswith("/shop/replicasets/web-7d4b") else None

    def create(self, path: str, body: Json) -> Json | None:
        """Store an Event."""
        if self.down:
            raise ApiError(0, "nobody answers")
        return self.events.setdefault(f"{path}/{body['metadata']['name']}", body)

    def merge(self, path: str, body: Json) -> Json:
        """Update the count of an existing Event."""
        if path not in self.events:
            raise ApiError(NOT_FOUND, "gone")
        self.counts.append(body["series"]["count"])
        return body


@pytest.fixture
def cluster() -> Cluster:
    """Return a new API server for each test."""
    return Cluster()


@pytest.fixture
def clock() -> Clock:
    """Return a new clock for each test."""
    return Clock()


@pytest.fixture
def series(cluster: Cluster, clock: Clock) -> EventSeriesRecorder:
    """Return the recorder under test."""
    return EventSeriesRecorder(cluster, Reporter("catflap-server", "replica-1"), clock=clock)


def event(note: str = "refused", *, space: str = "shop", owner: Owner | None = None) -> EventRequest:
    """Return a request for an Event in a namespace."""
    regarding: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"namespace": space, "name": space},
    }
    return EventRequest(regarding, EventDetails("WorkloadRefused", "Refuse", note), owner)


def outcomes(series: EventSeriesRecorder, events: Iterator[EventRequest]) -> dict[EventOutcome, int]:
    """Return the number of requests by outcome."""
    found = [series.record(one, AT) for one in events]
    return {one: found.count(one) for one in set(found)}


def test_equal_events_are_posted_once_and_counted(cluster: Cluster, series: EventSeriesRecorder) -> None:
    """A Deployment whose Pods are refused a thousand times costs two writes."""
    assert outcomes(series, (event() for _ in range(1000))) == {EventOutcome.CREATED: 1, EventOutcome.COUNTED: 999}
    assert series.has_unwritten_counts
    series.write_counts()
    assert (len(cluster.events), cluster.counts, series.has_unwritten_counts) == (1, [1000], False)
    series.write_counts()
    assert cluster.writes == 2


def test_different_events_are_separate(cluster: Cluster, series: EventSeriesRecorder) -> None:
    """No Event counts another violation, another object or another namespace than its own."""
    each = [event(), event("otherwise"), event(space="other"), event(owner=OWNER)]
    assert outcomes(series, iter(each * 2)) == {EventOutcome.CREATED: 4, EventOutcome.COUNTED: 4}
    assert [one["note"] for one in cluster.events.values()] == ["refused", "otherwise", "refused", "refused"]


def test_a_namespace_has_so_many_events_a_minute(cluster: Cluster, series: EventSeriesRecorder, clock: Clock) -> None:
    """A user who may create Pods can cause refusals with any number of names; other namespaces have their own limit."""
    assert outcomes(series, map(event, map(str, range(100))))[EventOutcome.CREATED] == NAMESPACE_BURST
    assert series.record(event(space="other"), AT) is EventOutcome.CREATED
    clock.seconds += NAMESPACE_SECONDS
    assert outcomes(series, map(event, map(str, range(100, 200)))) == {
        EventOutcome.CREATED: 1,
        EventOutcome.LIMITED: 99,
    }
    assert cluster.writes == NAMESPACE_BURST + 2


def test_all_namespaces_together_have_a_limit_too(cluster: Cluster, series: EventSeriesRecorder, clock: Clock) -> None:
    """The limit includes updates of counts, when all Pods are refused in all namespaces."""
    for _ in range(2):
        outcomes(series, (event(space=f"space-{number}") for number in range(500)))
    assert cluster.writes == BURST
    clock.seconds += 10 * SECONDS
    series.write_counts()
    assert (cluster.writes, series.has_unwritten_counts) == (BURST + 10, True)


def test_memory_is_bounded(cluster: Cluster, series: EventSeriesRecorder, clock: Clock) -> None:
    """A forgotten series starts again with a new Event."""
    for number in range(MOST_SERIES + 1):
        clock.seconds += NAMESPACE_SECONDS
        series.record(event(str(number)), AT)
    clock.seconds += NAMESPACE_SECONDS
    assert len(cluster.events) == MOST_SERIES + 1
    assert series.record(event(str(MOST_SERIES)), AT) is EventOutcome.COUNTED
    assert series.record(event("0"), AT) is EventOutcome.CREATED


def test_a_deleted_event_is_posted_again(cluster: Cluster, series: EventSeriesRecorder) -> None:
    """The API server keeps Events for an hour."""
    outcomes(series, (event() for _ in range(2)))
    cluster.events.clear()
    series.write_counts()
    assert (series.record(event(), AT), len(cluster.events)) == (EventOutcome.CREATED, 1)


def test_a_failed_event_is_posted_next_time(cluster: Cluster, series: EventSeriesRecorder) -> None:
    """The failed Event does not start a series."""
    cluster.down = True
    with pytest.raises(ApiError):
        series.record(event(), AT)
    cluster.down = False
    assert series.record(event(), AT) is EventOutcome.CREATED


@pytest.mark.parametrize(
    ("owner", "kind"),
    [
        pytest.param(OWNER, "ReplicaSet", id="it is there"),
        pytest.param(Owner("apps/v1", "ReplicaSet", "web-7d4b", "43"), "Namespace", id="another one of its name"),
        pytest.param(Owner("apps/v1", "ReplicaSet", "gone", "42"), "Namespace", id="it is not there"),
        pytest.param(Owner("example.com/v1", "Widget", "web-7d4b", "42"), "Namespace", id="no kind that we know"),
    ],
)
def test_an_owner_that_exists_is_the_subject(
    cluster: Cluster, series: EventSeriesRecorder, owner: Owner, kind: str
) -> None:
    """The owner has the uid of the reference; it is looked up once, not at each refusal."""
    outcomes(series, (event(owner=owner) for _ in range(10)))
    [found] = cluster.events.values()
    assert found["regarding"]["kind"] == kind
    assert found["metadata"]["namespace"] == "shop"
    assert len(cluster.asked) <= 1


def test_a_note_is_cut_to_what_the_api_takes() -> None:
    """The limit is in bytes, and the cut is between characters."""
    assert truncated_note("short") == "short"
    for note in ("x" * 2000, "ü" * 2000, "x" + "ü" * 2000, "xx" + "€" * 1000):
        assert NOTE_LENGTH - 3 <= len(truncated_note(note).encode()) <= NOTE_LENGTH
        assert truncated_note(note)[:-1] == note[: len(truncated_note(note)) - 1]
