"""A replica leads no longer than nobody else can."""

import pytest

from tests.clocks import Clock
from webhook.controller.leader import BELIEVED_SECONDS, LEASE_SECONDS, RENEW_SECONDS, Leader
from webhook.kube.api import ApiError
from webhook.kube.lease import Lease
from webhook.model.reason import ReasonCode


class Pretended(Lease):
    """A Lease that is held, is not, or cannot be looked at; each look takes its time."""

    def __init__(self, clock: Clock) -> None:
        self._machine = clock
        self.candidate, self.holder = "ours", ""
        self.held = True
        self.down = False
        self.takes = 0.0
        self.released = False

    def hold(self) -> bool:
        """What it is said to be."""
        self._machine.seconds += self.takes
        if self.down:
            raise ApiError(0, "nobody answers")
        return self.held

    def release(self) -> None:
        """Remember it."""
        self.released = True


@pytest.fixture
def clock() -> Clock:
    """One of its own for each test."""
    return Clock()


@pytest.fixture
def lease(clock: Clock) -> Pretended:
    """A Lease that nobody else wants."""
    return Pretended(clock)


@pytest.fixture
def told() -> list[tuple[bool, ReasonCode]]:
    """What the leader said of itself."""
    return []


@pytest.fixture
def leader(lease: Pretended, clock: Clock, told: list[tuple[bool, ReasonCode]]) -> Leader:
    """What is tested."""
    return Leader(lease, on_change=lambda leads, why: told.append((leads, why.code)), clock=clock)


def test_it_leads_while_it_holds_the_lease(
    leader: Leader, lease: Pretended, clock: Clock, told: list[tuple[bool, ReasonCode]]
) -> None:
    """And is told once when it begins and once when it ceases."""
    assert not leader.leads
    for _ in range(5):
        leader.look()
        assert leader.leads
        clock.seconds += RENEW_SECONDS
    lease.held, lease.holder = False, "another"
    leader.look()
    leader.look()
    assert not leader.leads
    assert told == [(True, ReasonCode.LEASE_ACQUIRED), (False, ReasonCode.LEASE_HELD_BY_OTHER)]


def test_while_nobody_answers_it_leads_until_the_lease_may_have_ended(
    leader: Leader,
    lease: Pretended,
    clock: Clock,
    told: list[tuple[bool, ReasonCode]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """From before the last renewal began, however long that took; and it is said once."""
    lease.takes = 10.0
    leader.look()
    began = clock.seconds - 10.0
    lease.down, lease.takes = True, 0.0
    clock.seconds = began + BELIEVED_SECONDS - 0.1
    leader.look()
    assert leader.leads
    clock.seconds = began + BELIEVED_SECONDS
    leader.look()
    assert not leader.leads
    assert told[1:] == [(False, ReasonCode.LEASE_NOT_RENEWED)]
    assert clock.seconds < began + LEASE_SECONDS
    assert sum("nobody answers" in one.message for one in caplog.records) == 1


def test_stopped_it_leads_no_longer_and_lets_others(
    leader: Leader, lease: Pretended, told: list[tuple[bool, ReasonCode]]
) -> None:
    """Whatever it finds afterwards."""
    lease.holder = "one that was killed"
    leader.look()
    leader.stop()
    assert lease.released
    leader.look()
    assert not leader.leads
    assert told == [(True, ReasonCode.LEASE_EXPIRED), (False, ReasonCode.LEASE_RELEASED)]


def test_what_it_does_not_hold_is_not_released(leader: Leader, lease: Pretended) -> None:
    """Another replica's Lease is none of its business."""
    lease.held = False
    leader.look()
    leader.stop()
    assert not lease.released
