"""Proofs are shared by those who come before one begins, and by nobody who comes later."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from webhook.model.decision import Closure
from webhook.model.reason import ReasonCode
from webhook.server.sharing import Shared
from webhook.server.unavailable import Unavailable

SOON = 0.05
LONG = 5.0


class Proof:
    """A proof that takes until it is let go, and counts how often it was made."""

    def __init__(self) -> None:
        self.made = 0
        self.begun = Event()
        self.go = Event()

    def __call__(self) -> Closure:
        """Prove."""
        self.made += 1
        self.begun.set()
        self.go.wait(LONG)
        return Closure.PROVEN


def test_who_comes_while_a_proof_runs_waits_for_the_next_one() -> None:
    """The one that runs had begun before: it says nothing to them. They share a single second one."""
    shared, proof = Shared(), Proof()
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(shared.call, "shop", proof, timeout=LONG)
        proof.begun.wait(LONG)
        later = [pool.submit(shared.call, "shop", proof, timeout=LONG) for _ in range(8)]
        time.sleep(SOON)
        assert proof.made == 1
        proof.go.set()
        assert [one.result(LONG) for one in (first, *later)] == [Closure.PROVEN] * 9
    assert proof.made == 2


def test_another_namespace_does_not_wait() -> None:
    """Each has turns of its own."""
    shared, slow = Shared(), Proof()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.call, "slow", slow, timeout=LONG)
        slow.begun.wait(LONG)
        assert shared.call("shop", lambda: Closure.WRITTEN, timeout=LONG) is Closure.WRITTEN
        slow.go.set()
        first.result(LONG)


def test_what_a_proof_raises_is_raised_for_everybody_and_forgotten() -> None:
    """The next call tries again."""

    def fail() -> Closure:
        raise Unavailable(ReasonCode.CLUSTER_LOOKUP_FAILED, "the API server does not answer")

    shared = Shared()
    with pytest.raises(Unavailable, match="does not answer"):
        shared.call("shop", fail, timeout=LONG)
    assert shared.call("shop", lambda: Closure.PROVEN, timeout=LONG) is Closure.PROVEN


def test_nobody_waits_longer_than_told() -> None:
    """For a proof that does not end: neither who leads the next one nor who follows."""
    shared, stuck = Shared(), Proof()
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(shared.call, "shop", stuck, timeout=LONG)
        stuck.begun.wait(LONG)
        others = [pool.submit(shared.call, "shop", stuck, timeout=SOON) for _ in range(3)]
        for other in others:
            with pytest.raises(Unavailable):
                other.result(LONG)
        stuck.go.set()
        assert first.result(LONG) is Closure.PROVEN


def test_nothing_is_kept_of_namespaces_that_nobody_asks_about() -> None:
    """Memory is bounded by the calls under way."""
    shared = Shared()
    for number in range(100):
        shared.call(f"shop-{number}", lambda: Closure.PROVEN, timeout=LONG)
    assert shared._turns == {}
