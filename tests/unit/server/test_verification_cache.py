"""How long a proof is trusted."""

import pytest

from tests.clocks import Clock
from webhook.server.verification_cache import MAX_ENTRIES, VerificationCache


@pytest.fixture
def clock() -> Clock:
    """One of its own for each test."""
    return Clock()


def test_a_proof_counts_from_its_beginning_and_no_longer_than_it_may(clock: Clock) -> None:
    """Not from its end."""
    verified = VerificationCache(clock)
    begun = verified.now()
    clock.seconds += 0.4
    verified.add("shop", begun, 0.5)
    assert verified.is_fresh("shop", 0.5)
    assert not verified.is_fresh("other", 0.5)
    clock.seconds += 0.1
    assert not verified.is_fresh("shop", 0.5)


def test_without_freshness_nothing_is_kept(clock: Clock) -> None:
    """And nothing is trusted, however new."""
    verified = VerificationCache(clock)
    verified.add("shop", verified.now(), 0)
    assert not verified.is_fresh("shop", 10)
    verified.add("shop", verified.now(), 1)
    assert not verified.is_fresh("shop", 0)


def test_there_is_an_end_to_what_is_kept(clock: Clock) -> None:
    """What is over goes first; while all are fresh, one more is not kept."""
    verified = VerificationCache(clock)
    for number in range(MAX_ENTRIES):
        verified.add(str(number), verified.now(), 1)
    verified.add("one more", verified.now(), 1)
    assert not verified.is_fresh("one more", 1)
    clock.seconds += 2
    verified.add("one more", verified.now(), 1)
    assert verified.is_fresh("one more", 1)
    assert len(verified._verified) == 1
