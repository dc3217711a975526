"""Ports of a network policy rule: ranges by protocol, and named ports, which each Pod defines itself."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from webhook.model.fields import HIGHEST_PORT, PortRange
from webhook.model.intervals import Intervals, merged

SHOWN: Final = 5  # entries of a list that a message names; the rest is a count


class NamedPort(NamedTuple):
    """A port by the name that a container gives it; the number differs from Pod to Pod."""

    protocol: str
    name: str


class Ports(Struct, frozen=True):
    """Ports that a rule opens, without duplicates and in order; empty: every port of every protocol."""

    ranges: tuple[PortRange, ...] = ()
    names: tuple[NamedPort, ...] = ()

    @property
    def are_all(self) -> bool:
        """Return whether every port of every protocol is open."""
        return not self.ranges and not self.names

    @property
    def by_protocol(self) -> dict[str, Intervals]:
        """Return the numbers of each protocol; a name may be any number."""
        found = defaultdict(list)
        for protocol, first, last in self.ranges:
            found[protocol].append((first, last))
        for protocol, _ in self.names:
            found[protocol].append((1, HIGHEST_PORT))
        return {protocol: merged(numbers) for protocol, numbers in found.items()}

    def __str__(self) -> str:
        return listed(
            [
                *map(range_text, self.ranges),
                *(f"{name}/{protocol}" if protocol else name for protocol, name in self.names),
            ],
            "every port",
        )


EVERY_PORT: Final = Ports()


def ports(found: Iterable[PortRange | NamedPort]) -> Ports:
    """Return ports with ranges joined that overlap or touch."""
    by_protocol = defaultdict(list)
    names = set()
    for one in found:
        if isinstance(one, NamedPort):
            names.add(one)
        else:
            by_protocol[one.protocol].append((one.first, one.last))
    ranges = (PortRange(protocol, *each) for protocol in sorted(by_protocol) for each in merged(by_protocol[protocol]))
    return Ports(tuple(ranges), tuple(sorted(names)))


def range_text(found: PortRange) -> str:
    """Return one port or range as the policy file writes it; a protocol without ports by its name."""
    if not found.last:
        return found.protocol
    last = f"-{found.last}" if found.last > found.first else ""
    return f"{found.first}{last}/{found.protocol}" if found.protocol else f"{found.first}{last}"


def listed(found: list[str], nothing: str) -> str:
    """Return the first entries of a list and a count of the rest; `nothing` for an empty one."""
    rest = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + rest or nothing
