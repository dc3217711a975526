"""The delays of a watch before its next request; the tests record the delays and do not wait."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from kubernetes.client import ApiException

from webhook.kube.api import ApiError, Json
from webhook.kube.watch import BACKOFF_SECONDS, SHORT_BACKOFF_SECONDS, Source

PATH = "/apis/projectcalico.org/v3/networkpolicies"
LIST: Json = {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "one"}}]}


class Server:
    """An API server with given answers in order; it raises an answer that is an error."""

    def __init__(self, *answers: ApiError | object) -> None:
        self._answers: Iterator[ApiError | object] = iter(answers)

    def list(self, _path: str, **_query: str) -> Any:
        """Return a list."""
        return self._next()

    def stream(self, _path: str, **_options: object) -> Any:
        """Return a watch."""
        return self._next()

    def _next(self) -> object:
        answer = next(self._answers)
        if isinstance(answer, ApiError):
            raise answer
        return answer


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of all delays in seconds."""
    kept: list[float] = []
    monkeypatch.setattr("webhook.kube.watch.Event.wait", lambda _event, seconds: kept.append(seconds))
    return kept


def source(*answers: ApiError | object) -> Source:
    """Return a source with such a server."""
    return Source(Server(*answers), PATH, {})  # type: ignore[arg-type]


def watch(asked: Source) -> Any:
    """Try to watch once."""
    return asked.list_or_watch(watch=True, resource_version="7", timeout_seconds=300)


def test_a_list_is_asked_for_until_it_comes(waits: list[float]) -> None:
    """The informer would sleep five seconds after each failure; a repair is promised within one."""
    found = source(ApiError(429, "storage is (re)initializing"), ApiError(0, "nobody"), LIST).list_or_watch()
    assert (found.items, found.metadata.resource_version) == (LIST["items"], "7")
    assert waits == list(SHORT_BACKOFF_SECONDS[:2])


@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_who_cannot_answer_now_is_asked_again_within_half_a_second(status: int, waits: list[float]) -> None:
    """The watch must continue within the second in which repairs are promised."""
    asked = source(*[ApiError(status, "not now")] * 20)
    for _ in range(20):
        with pytest.raises(ApiException):
            watch(asked)
    assert len(waits) == 20  # one wait a failure
    assert max(waits) == SHORT_BACKOFF_SECONDS[-1] == 0.5


@pytest.mark.parametrize("status", [403, 404])
def test_who_does_not_want_to_answer_is_asked_ever_later(status: int, waits: list[float]) -> None:
    """Examples are a revoked permission, and a kind that is not served any more."""
    asked = source(*[ApiError(status, "no")] * 10)
    for _ in range(10):
        with pytest.raises(ApiException):
            watch(asked)
    assert waits == [*BACKOFF_SECONDS, *[BACKOFF_SECONDS[-1]] * 4]


def test_a_watch_that_ends_at_once_is_begun_ever_later(waits: list[float]) -> None:
    """Each retry causes a full list."""
    asked = source(*["a stream"] * 10)
    for _ in range(10):
        assert watch(asked) == "a stream"
    assert waits == [*BACKOFF_SECONDS, *[BACKOFF_SECONDS[-1]] * 3]


def test_a_watch_that_lived_is_begun_again_at_once(waits: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server ends each watch after some minutes."""
    now = iter([0.0, 1.5, 1.5, 1.6, 1.6])
    monkeypatch.setattr("webhook.kube.watch.time.monotonic", lambda: next(now))
    asked = source(*["a stream"] * 3)
    watch(asked)  # begins at 0
    watch(asked)  # it lived for 1.5 s
    assert waits == []
    watch(asked)  # it lived for 0.1 s
    assert waits == [BACKOFF_SECONDS[0]]


def test_a_list_ends_when_the_watch_stops(waits: list[float]) -> None:  # noqa: ARG001 (the fixture replaces the waits)
    """A thread of a stopping process sends no more requests."""
    asked = source(ApiError(503, "not now"))
    asked.stopped.set()
    with pytest.raises(ApiException):
        asked.list_or_watch()


def test_what_is_there_again_is_asked_for_at_once(waits: list[float]) -> None:
    """Calico's API is served again: the number of earlier failures must not delay its watches."""
    asked = source(*[ApiError(404, "no")] * 8)
    for _ in range(7):
        with pytest.raises(ApiException):
            watch(asked)
    asked.retry_now()
    with pytest.raises(ApiException):
        watch(asked)
    assert waits == [*BACKOFF_SECONDS, BACKOFF_SECONDS[-1], BACKOFF_SECONDS[0]]


def test_a_wait_ends_when_there_is_reason_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise this test would take a thousand seconds."""
    monkeypatch.setattr("webhook.kube.watch.BACKOFF_SECONDS", (1000.0,))
    asked = source(*[ApiError(404, "no")] * 3, LIST)
    done = Thread(target=asked.list_or_watch, daemon=True)
    done.start()
    while done.is_alive():
        asked.retry_now()
        done.join(0.01)
