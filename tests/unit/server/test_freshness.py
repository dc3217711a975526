"""How long a proof is trusted."""

import pytest

from tests.clocks import Clock
from webhook.server.freshness import MOST, Freshness


@pytest.fixture
def clock() -> Clock:
    """One of its own for each test."""
    return Clock()


def test_a_proof_counts_from_its_beginning_and_no_longer_than_it_may(clock: Clock) -> None:
    """Not from its end."""
    proven = Freshness(clock)
    begun = proven.now()
    clock.seconds += 0.4
    proven.keep("shop", begun, 0.5)
    assert proven.is_fresh("shop", 0.5)
    assert not proven.is_fresh("other", 0.5)
    clock.seconds += 0.1
    assert not proven.is_fresh("shop", 0.5)


def test_without_freshness_nothing_is_kept(clock: Clock) -> None:
    """And nothing is trusted, however new."""
    proven = Freshness(clock)
    proven.keep("shop", proven.now(), 0)
    assert not proven.is_fresh("shop", 10)
    proven.keep("shop", proven.now(), 1)
    assert not proven.is_fresh("shop", 0)


def test_there_is_an_end_to_what_is_kept(clock: Clock) -> None:
    """What is over goes first; while all are fresh, one more is not kept."""
    proven = Freshness(clock)
    for number in range(MOST):
        proven.keep(str(number), proven.now(), 1)
    proven.keep("one more", proven.now(), 1)
    assert not proven.is_fresh("one more", 1)
    clock.seconds += 2
    proven.keep("one more", proven.now(), 1)
    assert proven.is_fresh("one more", 1)
    assert len(proven._proven) == 1
