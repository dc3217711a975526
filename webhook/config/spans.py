"""Which of many ranges one meets, without a look at each: of the ports of a protocol, of the addresses of an IP version."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from ipaddress import ip_network
from itertools import accumulate
from typing import NamedTuple


class Span(NamedTuple):
    """A range of numbers, both ends in it, among those of one kind; such as a `PortRange`."""

    kind: str | int
    first: int
    last: int


class Furthest(NamedTuple):
    """A span by where it ends, and whose it is."""

    last: int
    first: int
    owner: int


def addresses(cidr: str) -> Span:
    """A network's addresses."""
    network = ip_network(cidr)
    return Span(network.version, int(network.network_address), int(network.broadcast_address))


class Spans:
    """Ranges, each with a number for whose it is."""

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
        """Whether a range is inside one of them."""
        kind, first, last = span
        begun = bisect_right(self._firsts.get(kind, []), first)
        return begun > 0 and self._furthest[kind][begun - 1].last >= last

    def meeting(self, span: tuple[str | int, int, int]) -> tuple[int, int] | None:
        """The first number that a range shares with another, and whose that one is; None where it meets none.

        It is asked of the one that ends last, among those that begin before the range ends.
        """
        kind, first, last = span
        begun = bisect_right(self._firsts.get(kind, []), last)
        found = self._furthest[kind][begun - 1] if begun else None
        return (max(first, found.first), found.owner) if found and found.last >= first else None
