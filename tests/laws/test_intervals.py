"""Sets of ranges are equal to the sets of their numbers, and sets of addresses agree with Python's module ipaddress."""

from ipaddress import collapse_addresses, ip_network

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.strategies import LAW, networks
from webhook.model.addresses import EVERY_ADDRESS, PUBLIC, Addresses, addresses, too_large, union
from webhook.model.interval_index import IntervalIndex
from webhook.model.intervals import Intervals, contains, merged, shared, size, without

ranges = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda one: (one[0], sum(one))), max_size=6)


def numbers(found: Intervals) -> set[int]:
    """Return the numbers of a set of ranges."""
    return {number for first, last in found for number in range(first, last + 1)}


@LAW
@given(ranges, ranges)
def test_ranges_are_the_sets_of_their_numbers(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    """This holds for every operation; and the result has the fewest ranges."""
    one, other = merged(some), merged(others)
    assert numbers(one) == {number for first, last in some for number in range(first, last + 1)}
    assert numbers(shared(one, other)) == numbers(one) & numbers(other)
    assert numbers(without(one, other)) == numbers(one) - numbers(other)
    assert contains(one, other) is (numbers(one) >= numbers(other))
    assert size(one) == len(numbers(one))
    for result in (one, shared(one, other), without(one, other)):
        assert merged(result) == result


@LAW
@given(st.lists(ranges, max_size=5), ranges)
def test_segments_say_which_sets_hold_each_number(
    sets: list[list[tuple[int, int]]], asked: list[tuple[int, int]]
) -> None:
    """The result counts the sets of each number, with zero for numbers in no set."""
    kept = [merged(one) for one in sets]
    found = set(IntervalIndex((1 << at, one) for at, one in enumerate(kept)).holding(merged(asked)))
    wanted = {
        sum(1 << at for at, one in enumerate(kept) if number in numbers(one)) for number in numbers(merged(asked))
    }
    assert found == wanted


@LAW
@given(st.lists(networks, max_size=6), st.lists(networks, max_size=3))
def test_addresses_are_what_networks_hold(cidrs: list[str], others: list[str]) -> None:
    """The networks are of both IP versions, in one range or in several."""
    found = addresses(cidrs)
    for version, mine in ((4, found.v4), (6, found.v6)):
        of_version = [one for one in map(ip_network, cidrs) if one.version == version]
        assert size(mine) == sum(one.num_addresses for one in collapse_addresses(of_version))  # type: ignore[type-var,misc]
    assert union([addresses([cidr]) for cidr in cidrs]) == found
    assert found - addresses(others) | found & addresses(others) == found
    assert found.includes(addresses(cidrs[:2]))


@LAW
@given(st.lists(networks, max_size=6), st.lists(networks, max_size=6))
def test_more_addresses_are_never_less_wide(cidrs: list[str], more: list[str]) -> None:
    """A set of unknown addresses stays unknown, whatever is added."""
    if too_large(addresses(cidrs)):
        assert too_large(addresses([*cidrs, *more]))
    assert bool(too_large(EVERY_ADDRESS - addresses(cidrs))) >= bool(
        too_large(EVERY_ADDRESS - addresses([*cidrs, *more]))
    )


@LAW
@given(st.lists(st.integers(0, 255), min_size=1, unique=True))
def test_the_bound_is_half_of_what_is_public(firsts: list[int]) -> None:
    """The expected number counts the networks of eight bits."""
    found = addresses(f"{first}.0.0.0/8" for first in firsts)
    public = sum(size(shared(PUBLIC.v4, addresses([f"{first}.0.0.0/8"]).v4)) for first in firsts)
    assert bool(too_large(Addresses(v4=found.v4))) is (2 * public > size(PUBLIC.v4))
