"""Tests that a replica never leads while another one can."""

import pytest

from tests.clocks import Clock
from webhook.controller.leader_election import LEASE_SECONDS, RENEW_DEADLINE_SECONDS, RENEW_SECONDS, LeaderElector
from webhook.kube.api import ApiError
from webhook.kube.lease import Lease


class Pretended(Lease):
    """A Lease that is held, is not held, or cannot be read; each attempt takes some time."""

    def __init__(self, clock: Clock) -> None:
        self._machine = clock
        self.candidate, self.holder = "ours", ""
        self.held = True
        self.down = False
        self.takes = 0.0
        self.released = False

    def hold(self) -> bool:
        """Return the configured result."""
        self._machine.seconds += self.takes
        if self.down:
            raise ApiError(0, "nobody answers")
        return self.held

    def release(self) -> None:
        """Count the release."""
        self.released = True


@pytest.fixture
def clock() -> Clock:
    """Return a clock for each test."""
    return Clock()


@pytest.fixture
def lease(clock: Clock) -> Pretended:
    """Return a Lease without competitors."""
    return Pretended(clock)


@pytest.fixture
def told() -> list[tuple[bool, str]]:
    """Return the reported changes."""
    return []


@pytest.fixture
def leader(lease: Pretended, clock: Clock, told: list[tuple[bool, str]]) -> LeaderElector:
    """Return the tested elector."""
    return LeaderElector(lease, on_change=lambda leads, why: told.append((leads, why)), clock=clock)


def test_it_leads_while_it_holds_the_lease(
    leader: LeaderElector, lease: Pretended, clock: Clock, told: list[tuple[bool, str]]
) -> None:
    """It reports each change once, when it begins and when it stops leading."""
    assert not leader.is_leader
    for _ in range(5):
        leader.try_acquire()
        assert leader.is_leader
        clock.seconds += RENEW_SECONDS
    lease.held, lease.holder = False, "another"
    leader.try_acquire()
    leader.try_acquire()
    assert not leader.is_leader
    assert told == [(True, "nobody held the Lease"), (False, "the Lease is held by another")]


def test_during_an_outage_it_leads_until_the_lease_may_have_expired(
    leader: LeaderElector,
    lease: Pretended,
    clock: Clock,
    told: list[tuple[bool, str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The time counts from the start of the last renewal, however long that took. The error is logged once."""
    lease.takes = 10.0
    leader.try_acquire()
    began = clock.seconds - 10.0
    lease.down, lease.takes = True, 0.0
    clock.seconds = began + RENEW_DEADLINE_SECONDS - 0.1
    leader.try_acquire()
    assert leader.is_leader
    clock.seconds = began + RENEW_DEADLINE_SECONDS
    leader.try_acquire()
    assert not leader.is_leader
    assert told[1:] == [(False, "the Lease could not be renewed in time")]
    assert clock.seconds < began + LEASE_SECONDS
    assert sum("nobody answers" in one.message for one in caplog.records) == 1


def test_stopped_it_leads_no_longer_and_lets_others(
    leader: LeaderElector, lease: Pretended, told: list[tuple[bool, str]]
) -> None:
    """Later results do not matter."""
    lease.holder = "one that was killed"
    leader.try_acquire()
    leader.stop()
    assert lease.released
    leader.try_acquire()
    assert not leader.is_leader
    assert told == [(True, "the Lease had ended, one that was killed held it"), (False, "it stops")]


def test_what_it_does_not_hold_is_not_released(leader: LeaderElector, lease: Pretended) -> None:
    """It leaves another replica's Lease alone."""
    lease.held = False
    leader.try_acquire()
    leader.stop()
    assert not lease.released
