"""Allowed connections in a form in which the results of two oracles can be compared."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

# All protocols without ports, that is, all except TCP, UDP and SCTP.
OTHER: Final = "other"
PROTOCOLS: Final = ("TCP", "UDP", "SCTP", OTHER)
FIRST_PORT: Final = 1
LAST_PORT: Final = 65535


class Connection(NamedTuple):
    """An allowed connection between Pods (`namespace/name`) or addresses, with the ports of the target."""

    source: str
    target: str
    protocol: str
    first: int
    last: int

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.source} → {self.target} {ports}/{self.protocol}"


Connections = frozenset[Connection]


def with_merged_ports(connections: Iterable[Connection]) -> Connections:
    """The same ways, each with its ports in as few ranges as possible, so that what is equal looks equal."""
    ordered = sorted(connections)
    return frozenset(
        Connection(source, target, protocol, first, last)
        for (source, target, protocol), group in groupby(ordered, key=lambda connection: connection[:3])
        for first, last in merged_ranges((connection.first, connection.last) for connection in group)
    )


def merged_ranges(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the ranges in order; merge ranges that touch or overlap."""
    begin, end = 0, -1
    for first, last in ranges:
        if first > end + 1:
            if end >= begin:
                yield begin, end
            begin = first
        end = max(end, last)
    if end >= begin:
        yield begin, end
