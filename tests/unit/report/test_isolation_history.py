"""Test how long namespaces were without their policy: exact if on record, otherwise an upper bound."""

from dataclasses import dataclass

import pytest

from webhook.report.aggregator import (
    NAMESPACE_CREATED,
    NAMESPACE_TERMINATING,
    POLICY_CREATED,
    POLICY_DELETED,
    POLICY_EXISTS,
    POLICY_REMOVED,
    POLICY_RESTORED,
    POLICY_WRITTEN,
)
from webhook.report.controls import open_time
from webhook.report.count_store import PolicyEvent
from webhook.report.isolation_history import IsolationHistory, NamespaceHistory, isolation_history

PLAIN, CALICO = "networking.k8s.io/v1", "projectcalico.org/v3"


@dataclass(frozen=True)
class EventAt:
    """An event at a second."""

    second: int
    what: str
    who: str = PLAIN


def history_of(*events: EventAt, name: str = "shop") -> IsolationHistory:
    """Return the coverage of one namespace."""
    told = (
        PolicyEvent(name, f"2026-01-31T12:{one.second // 60:02}:{one.second % 60:02}.000000Z", one.what, one.who)
        for one in events
    )
    return isolation_history(told, 10)


def single_history(*events: EventAt) -> NamespaceHistory:
    """Return the only namespace."""
    [space] = history_of(*events).spaces
    return space


def test_a_namespace_is_closed_after_its_birth() -> None:
    """The log has the time until then, and no gap: there was no Pod."""
    space = single_history(
        EventAt(0, NAMESPACE_CREATED, "bob"), EventAt(2, POLICY_CREATED), EventAt(9, POLICY_EXISTS, "alice")
    )
    assert (space.to_close, space.lapses, space.without, space.state) == (2.0, 0, 0.0, "isolated")
    assert (space.closed[17:19], space.seen[17:19]) == ("02", "09")


def test_a_removal_on_record_gives_the_exact_time() -> None:
    """The time is from the decision to the restoration."""
    space = single_history(
        EventAt(0, POLICY_CREATED), EventAt(10, POLICY_REMOVED, "carol"), EventAt(52, POLICY_RESTORED)
    )
    assert (space.lapses, space.without, space.exact, space.state) == (1, 42.0, True, "isolated")


def test_unseen_removal_has_an_upper_bound() -> None:
    """The time is since the last proof of the policy."""
    space = single_history(
        EventAt(0, POLICY_CREATED), EventAt(30, POLICY_EXISTS, "alice"), EventAt(120, POLICY_RESTORED)
    )
    assert (space.lapses, space.without, space.exact) == (1, 90.0, False)


def test_a_restoration_before_which_nothing_is_known_has_no_length() -> None:
    """The restoration counts, but not as zero seconds."""
    covered = history_of(EventAt(5, POLICY_RESTORED))
    assert (covered.lapses, covered.unknown, covered.exact) == (1, 1, False)


def test_a_removal_that_nothing_restored_stays_open() -> None:
    """The namespace is the first row."""
    covered = history_of(EventAt(0, POLICY_CREATED), EventAt(10, POLICY_REMOVED, "carol"))
    assert covered.open == 1
    assert covered.spaces[0].state == "open since 2026-01-31T12:00:10, by carol"


def test_rejected_removal_is_no_gap() -> None:
    """The removal was admitted, and the policy existed afterwards: a later check refused it."""
    space = single_history(
        EventAt(0, POLICY_CREATED), EventAt(10, POLICY_REMOVED, "carol"), EventAt(20, POLICY_EXISTS, "alice")
    )
    assert (space.lapses, space.state) == (0, "isolated")


def test_leaving_by_the_policy_file_opens() -> None:
    """The record itself says so."""
    assert (
        single_history(EventAt(0, POLICY_CREATED), EventAt(10, POLICY_DELETED)).state
        == "open since 2026-01-31T12:00:10, by the policy file"
    )


def test_removed_policy_of_another_engine_opens_nothing() -> None:
    """The policy that replaced it exists."""
    assert (
        single_history(
            EventAt(0, POLICY_CREATED), EventAt(10, POLICY_CREATED, CALICO), EventAt(11, POLICY_DELETED, PLAIN)
        ).state
        == "isolated"
    )


def test_a_namespace_that_ends_is_not_open() -> None:
    """The policy is deleted with the namespace."""
    covered = history_of(
        EventAt(0, POLICY_CREATED),
        EventAt(10, NAMESPACE_TERMINATING, "system:serviceaccount:kube-system:namespace-controller"),
    )
    assert (covered.open, covered.spaces[0].state) == (0, "deleted")


def test_namespace_created_again_is_a_new_one() -> None:
    """The time between the two is no gap."""
    space = single_history(
        EventAt(0, POLICY_CREATED),
        EventAt(10, NAMESPACE_TERMINATING),
        EventAt(60, NAMESPACE_CREATED, "bob"),
        EventAt(61, POLICY_CREATED),
    )
    assert (space.lapses, space.to_close, space.state) == (0, 1.0, "isolated")


def test_namespace_never_isolated_is_counted_separately() -> None:
    """The namespace may be exempt, or not exist at all."""
    covered = history_of(EventAt(0, NAMESPACE_CREATED, "bob"))
    assert (covered.known, covered.unclosed, covered.spaces) == (0, 1, ())


def test_nothing_is_nothing() -> None:
    """The value is unknown, rather than zero."""
    covered = isolation_history([], 10)
    assert (covered.known, covered.slowest, covered.lapses) == (0, None, 0)


@pytest.mark.parametrize("most", [1, 3, 100])
def test_sums_are_those_of_all_namespaces(most: int) -> None:
    """The sums do not depend on the number of rows; the rows are the namespaces with the longest gaps."""
    events = [
        PolicyEvent(f"space-{number:03}", f"2026-01-31T12:00:{second:02}.000000Z", what, PLAIN)
        for number in range(50)
        for second, what in ((0, POLICY_CREATED), (1, POLICY_REMOVED), (number + 2, POLICY_RESTORED))
    ]
    covered = isolation_history(events, most)
    assert (covered.known, covered.lapses, covered.lapsed) == (50, 50, 50)
    assert covered.without == sum(number + 1 for number in range(50))
    assert (len(covered.spaces), covered.more) == (min(most, 50), max(50 - most, 0))
    assert covered.spaces[0].name == "space-049"


def test_a_write_without_a_code_ends_a_removal_that_is_on_record() -> None:
    """The gap is exact."""
    covered = history_of(EventAt(0, POLICY_WRITTEN), EventAt(10, POLICY_REMOVED, "carol"), EventAt(52, POLICY_WRITTEN))
    assert (covered.lapses, covered.without, covered.exact, covered.unexplained) == (1, 42.0, True, 0)


def test_write_without_a_code_over_an_existing_policy_is_counted() -> None:
    """The write may or may not be a restoration, so it counts neither as a gap nor as the absence of one."""
    covered = history_of(EventAt(0, POLICY_WRITTEN), EventAt(30, POLICY_EXISTS, "alice"), EventAt(120, POLICY_WRITTEN))
    assert (covered.lapses, covered.without, covered.unexplained) == (0, 0.0, 1)
    assert "1 write of an earlier release may or may not be a restoration" in open_time(covered)


def test_the_first_write_without_a_code_closes_a_namespace() -> None:
    """No record says that the policy existed before."""
    covered = history_of(EventAt(0, NAMESPACE_CREATED, "bob"), EventAt(2, POLICY_WRITTEN))
    assert (covered.slowest, covered.lapses, covered.unexplained) == (2.0, 0, 0)
