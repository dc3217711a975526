"""Find a range that a given range meets, without a search through all ranges.

The ranges are ports of a protocol or addresses of an IP version.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import ip_network
from itertools import accumulate
from typing import NamedTuple


class Span(NamedTuple):
    """A range of numbers of one kind, with both ends included, such as a `PortRange`."""

    kind: str | int
    first: int
    last: int


class Furthest(NamedTuple):
    """A span and its owner, ordered by the end of the span."""

    last: int
    first: int
    owner: int


def addresses(cidr: str) -> Span:
    """Return the addresses of a network as a span."""
    network = ip_network(cidr)
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


class Spans:
    """Ranges, each with the number of its owner."""

    def __init__(self, spans: Iterable[tuple[tuple[str | int, int, int], int]]) -> None:
        by_kind = defaultdict(list)
        for (kind, first, last), owner in spans:
            by_kind[kind].append((first, last, owner))
        self._firsts: dict[str | int, list[int]] = {}
        self._furthest: dict[str | int, list[Furthest]] = {}
        for kind, found in by_kind.items():
            found.sort()
            self._firsts[kind] = [first for first, _, _ in found]
            self._furthest[kind] = list(accumulate((Furthest(last, first, owner) for first, last, owner in found), max))

    def holds(self, span: tuple[str | int, int, int]) -> bool:
        """Return whether one of the ranges contains `span`."""
        kind, first, last = span
        begun = bisect_right(self._firsts.get(kind, []), first)
        return begun > 0 and self._furthest[kind][begun - 1].last >= last

    def meeting(self, span: tuple[str | int, int, int]) -> tuple[int, int] | None:
        """Return the first number that `span` shares with another range, and the owner of that range; else None.

        The search checks one range: among those that begin before `span` ends, the one that ends last.
        """
        kind, first, last = span
        begun = bisect_right(self._firsts.get(kind, []), last)
        found = self._furthest[kind][begun - 1] if begun else None
        return (max(first, found.first), found.owner) if found and found.last >= first else None
