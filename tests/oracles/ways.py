"""What is open, as something that two judges can be compared by."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final, NamedTuple

# What a restriction to ports cannot be said of: all protocols but TCP, UDP and SCTP.
OTHER: Final = "other"
PROTOCOLS: Final = ("TCP", "UDP", "SCTP", OTHER)
FIRST_PORT: Final = 1
LAST_PORT: Final = 65535


class Way(NamedTuple):
    """Who reaches whom: Pods as `namespace/name`, others by an address; the ports are those of whoever is reached."""

    source: str
    target: str
    protocol: str
    first: int
    last: int

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.source} → {self.target} {ports}/{self.protocol}"


Ways = frozenset[Way]


def joined(ways: Iterable[Way]) -> Ways:
    """The same ways, each with its ports in as few ranges as possible, so that what is equal looks equal."""
    ordered = sorted(ways)
    return frozenset(
        Way(source, target, protocol, first, last)
        for (source, target, protocol), group in groupby(ordered, key=lambda way: way[:3])
        for first, last in in_one_piece((way.first, way.last) for way in group)
    )


def in_one_piece(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges in order, those that touch or overlap made one."""
    begin, end = 0, -1
    for first, last in ranges:
        if first > end + 1:
            if end >= begin:
                yield begin, end
            begin = first
        end = max(end, last)
    if end >= begin:
        yield begin, end
