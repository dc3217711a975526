"""How long a verification is trusted."""

import pytest

from tests.clocks import Clock
from webhook.server.verification_cache import MAX_ENTRIES, VerificationCache


@pytest.fixture
def clock() -> Clock:
    """Return a clock for this test."""
    return Clock()


def test_a_verification_counts_from_its_beginning(clock: Clock) -> None:
    """The age does not count from its end."""
    cache = VerificationCache(clock)
    begun = cache.now()
    clock.seconds += 0.4
    cache.add("shop", begun, 0.5)
    assert cache.is_fresh("shop", 0.5)
    assert not cache.is_fresh("other", 0.5)
    clock.seconds += 0.1
    assert not cache.is_fresh("shop", 0.5)


def test_zero_seconds_disable_the_cache(clock: Clock) -> None:
    """No entry is fresh for 0 seconds."""
    cache = VerificationCache(clock)
    cache.add("shop", cache.now(), 0)
    assert not cache.is_fresh("shop", 10)
    cache.add("shop", cache.now(), 1)
    assert not cache.is_fresh("shop", 0)


def test_the_cache_is_bounded(clock: Clock) -> None:
    """Expired entries are removed first; while all are fresh, a new entry is not added."""
    cache = VerificationCache(clock)
    for number in range(MAX_ENTRIES):
        cache.add(str(number), cache.now(), 1)
    cache.add("one more", cache.now(), 1)
    assert not cache.is_fresh("one more", 1)
    clock.seconds += 2
    cache.add("one more", cache.now(), 1)
    assert cache.is_fresh("one more", 1)
    assert len(cache._verified) == 1
