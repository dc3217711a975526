"""The search for an overlapping range gives the same result as a comparison with each range."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.strategies import LAW, networks
from webhook.config.spans import Spans, addresses

kinds = st.sampled_from(["TCP", "UDP"])
spans = st.tuples(kinds, st.integers(1, 30), st.integers(1, 30)).map(lambda one: (one[0], *sorted(one[1:])))


@LAW
@given(st.lists(spans, max_size=8), spans)
def test_a_range_meets_what_shares_a_number_with_it(
    some: list[tuple[str, int, int]], one: tuple[str, int, int]
) -> None:
    """Only ranges of the same kind count; the result has the first common number and the owner of the other range."""
    kind, first, last = one
    shared = {
        (owner, number)
        for owner, (other, begin, end) in enumerate(some)
        for number in range(max(first, begin), min(last, end) + 1)
        if other == kind
    }
    met = Spans(zip(some, range(len(some)), strict=True)).meeting(one)
    assert (met is not None) is bool(shared)
    if met:
        number, owner = met
        assert number == min(number for found, number in shared if found == owner)


@LAW
@given(networks, networks)
def test_networks_meet_where_they_overlap(one: str, other: str) -> None:
    """Both are of one IP version."""
    first, second = ip_network(one), ip_network(other)
    overlap = first.version == second.version and first.overlaps(second)
    assert bool(Spans([(addresses(one), 7)]).meeting(addresses(other))) is overlap
