"""Callers share a verification that begins after their calls, and never an earlier one."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from webhook.model.reason import ReasonCode
from webhook.model.steps import IsolationStatus
from webhook.server.singleflight import SingleFlight
from webhook.server.unavailable import Unavailable

SOON = 0.05
LONG = 5.0


class BlockingVerification:
    """A verification that blocks until a test releases it, and counts its runs."""

    def __init__(self) -> None:
        self.runs = 0
        self.begun = Event()
        self.go = Event()

    def __call__(self) -> IsolationStatus:
        """Run."""
        self.runs += 1
        self.begun.set()
        self.go.wait(LONG)
        return IsolationStatus.PROVEN


def test_a_caller_during_a_verification_waits_for_the_next_one() -> None:
    """The running one began before their calls, so they share a second one."""
    flights, verification = SingleFlight(), BlockingVerification()
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(flights.do, "shop", verification, timeout=LONG)
        verification.begun.wait(LONG)
        later = [pool.submit(flights.do, "shop", verification, timeout=LONG) for _ in range(8)]
        time.sleep(SOON)
        assert verification.runs == 1
        verification.go.set()
        assert [one.result(LONG) for one in (first, *later)] == [IsolationStatus.PROVEN] * 9
    assert verification.runs == 2


def test_another_key_does_not_wait() -> None:
    """Each key has its own slot."""
    flights, slow = SingleFlight(), BlockingVerification()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flights.do, "slow", slow, timeout=LONG)
        slow.begun.wait(LONG)
        assert flights.do("shop", lambda: IsolationStatus.WRITTEN, timeout=LONG) is IsolationStatus.WRITTEN
        slow.go.set()
        first.result(LONG)


def test_an_error_is_raised_for_every_caller_and_forgotten() -> None:
    """The next call tries again."""

    def fail() -> IsolationStatus:
        raise Unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "the API server does not answer")

    flights = SingleFlight()
    with pytest.raises(Unavailable, match="does not answer"):
        flights.do("shop", fail, timeout=LONG)
    assert flights.do("shop", lambda: IsolationStatus.PROVEN, timeout=LONG) is IsolationStatus.PROVEN


def test_no_caller_waits_longer_than_its_timeout() -> None:
    """This holds for a verification that does not end, for the leader of the next one and for its followers."""
    flights, stuck = SingleFlight(), BlockingVerification()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(flights.do, "shop", stuck, timeout=LONG)
        stuck.begun.wait(LONG)
        others = [pool.submit(flights.do, "shop", stuck, timeout=SOON) for _ in range(3)]
        for other in others:
            with pytest.raises(Unavailable):
                other.result(LONG)
        stuck.go.set()
        assert first.result(LONG) is IsolationStatus.PROVEN


def test_nothing_is_kept_of_finished_calls() -> None:
    """Only calls in progress use memory."""
    flights = SingleFlight()
    for number in range(100):
        flights.do(f"shop-{number}", lambda: IsolationStatus.PROVEN, timeout=LONG)
    assert flights._slots == {}
