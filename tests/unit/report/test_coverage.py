"""Test how long namespaces were without their policy: exact if on record, otherwise an upper bound."""

from dataclasses import dataclass

import pytest

from webhook.report.controls import without
from webhook.report.coverage import Coverage, Space, coverage
from webhook.report.gathering import BORN, CREATED, ENDING, LEFT, REMOVED, RESTORED, STANDS, WRITTEN
from webhook.report.ledger import Event

PLAIN, CALICO = "networking.k8s.io/v1", "projectcalico.org/v3"


@dataclass(frozen=True)
class At:
    """An event at a second."""

    second: int
    what: str
    who: str = PLAIN


def found(*events: At, name: str = "shop") -> Coverage:
    """Return the coverage of one namespace."""
    told = (
        Event(name, f"2026-01-31T12:{one.second // 60:02}:{one.second % 60:02}.000000Z", one.what, one.who)
        for one in events
    )
    return coverage(told, 10)


def only(*events: At) -> Space:
    """Return the only namespace."""
    [space] = found(*events).spaces
    return space


def test_a_namespace_is_closed_after_its_birth() -> None:
    """The log has the time until then, and no gap: there was no Pod."""
    space = only(At(0, BORN, "bob"), At(2, CREATED), At(9, STANDS, "alice"))
    assert (space.to_close, space.lapses, space.without, space.state) == (2.0, 0, 0.0, "isolated")
    assert (space.closed[17:19], space.seen[17:19]) == ("02", "09")


def test_a_removal_on_record_gives_the_exact_time() -> None:
    """The time is from the decision to the restoration."""
    space = only(At(0, CREATED), At(10, REMOVED, "carol"), At(52, RESTORED))
    assert (space.lapses, space.without, space.exact, space.state) == (1, 42.0, True, "isolated")


def test_a_removal_past_us_gives_the_most_that_it_can_be() -> None:
    """The time is since the last proof of the policy."""
    space = only(At(0, CREATED), At(30, STANDS, "alice"), At(120, RESTORED))
    assert (space.lapses, space.without, space.exact) == (1, 90.0, False)


def test_a_restoration_before_which_nothing_is_known_has_no_length() -> None:
    """The restoration counts, but not as zero seconds."""
    covered = found(At(5, RESTORED))
    assert (covered.lapses, covered.unknown, covered.exact) == (1, 1, False)


def test_a_removal_that_nothing_restored_stays_open() -> None:
    """The namespace is the first row."""
    covered = found(At(0, CREATED), At(10, REMOVED, "carol"))
    assert covered.open == 1
    assert covered.spaces[0].state == "open since 2026-01-31T12:00:10, by carol"


def test_a_removal_that_did_not_come_about_is_none() -> None:
    """The removal was admitted, and the policy existed afterwards: a later check refused it."""
    space = only(At(0, CREATED), At(10, REMOVED, "carol"), At(20, STANDS, "alice"))
    assert (space.lapses, space.state) == (0, "isolated")


def test_leaving_by_the_policy_file_opens() -> None:
    """The record itself says so."""
    assert only(At(0, CREATED), At(10, LEFT)).state == "open since 2026-01-31T12:00:10, by the policy file"


def test_another_engines_policy_that_goes_opens_nothing() -> None:
    """The policy that replaced it exists."""
    assert only(At(0, CREATED), At(10, CREATED, CALICO), At(11, LEFT, PLAIN)).state == "isolated"


def test_a_namespace_that_ends_is_not_open() -> None:
    """The policy is deleted with the namespace."""
    covered = found(At(0, CREATED), At(10, ENDING, "system:serviceaccount:kube-system:namespace-controller"))
    assert (covered.open, covered.spaces[0].state) == (0, "deleted")


def test_a_namespace_of_the_same_name_is_a_new_one() -> None:
    """The time between the two is no gap."""
    space = only(At(0, CREATED), At(10, ENDING), At(60, BORN, "bob"), At(61, CREATED))
    assert (space.lapses, space.to_close, space.state) == (0, 1.0, "isolated")


def test_what_was_created_and_never_closed_is_counted_apart() -> None:
    """The namespace may be exempt, or not exist at all."""
    covered = found(At(0, BORN, "bob"))
    assert (covered.known, covered.unclosed, covered.spaces) == (0, 1, ())


def test_nothing_is_nothing() -> None:
    """The value is unknown, rather than zero."""
    covered = coverage([], 10)
    assert (covered.known, covered.slowest, covered.lapses) == (0, None, 0)


@pytest.mark.parametrize("most", [1, 3, 100])
def test_sums_are_those_of_all_namespaces(most: int) -> None:
    """The sums do not depend on the number of rows; the rows are the namespaces with the longest gaps."""
    events = [
        Event(f"space-{number:03}", f"2026-01-31T12:00:{second:02}.000000Z", what, PLAIN)
        for number in range(50)
        for second, what in ((0, CREATED), (1, REMOVED), (number + 2, RESTORED))
    ]
    covered = coverage(events, most)
    assert (covered.known, covered.lapses, covered.lapsed) == (50, 50, 50)
    assert covered.without == sum(number + 1 for number in range(50))
    assert (len(covered.spaces), covered.more) == (min(most, 50), max(50 - most, 0))
    assert covered.spaces[0].name == "space-049"


def test_a_write_without_a_code_ends_a_removal_that_is_on_record() -> None:
    """The gap is exact."""
    covered = found(At(0, WRITTEN), At(10, REMOVED, "carol"), At(52, WRITTEN))
    assert (covered.lapses, covered.without, covered.exact, covered.unexplained) == (1, 42.0, True, 0)


def test_a_write_without_a_code_over_a_policy_that_stood_is_counted() -> None:
    """The write may or may not be a restoration, so it counts neither as a gap nor as the absence of one."""
    covered = found(At(0, WRITTEN), At(30, STANDS, "alice"), At(120, WRITTEN))
    assert (covered.lapses, covered.without, covered.unexplained) == (0, 0.0, 1)
    assert "1 write of an earlier release may or may not be a restoration" in without(covered)


def test_the_first_write_without_a_code_closes_a_namespace() -> None:
    """No record says that the policy existed before."""
    covered = found(At(0, BORN, "bob"), At(2, WRITTEN))
    assert (covered.slowest, covered.lapses, covered.unexplained) == (2.0, 0, 0)
