"""Detection of rules whose networks together cover nearly all addresses, although no single rule does."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from webhook.model.addresses import Addresses, too_large, union
from webhook.model.fields import HIGHEST_PORT
from webhook.model.interval_index import IntervalIndex
from webhook.model.intervals import Intervals
from webhook.model.ports import Ports

EVERY_NUMBER: Final = ((0, HIGHEST_PORT),)
# Address ranges that are compared for one object, port by port. Rules with the same ports are merged, so real
# policies need a few hundred. If an object needs more, all its rules are treated as one.
MAX_RANGES: Final = 20_000

Part = tuple[Ports, Addresses]


def reason_too_large_together(parts: Iterable[Part], cluster: Addresses) -> str:
    """Return why the networks of several rules together do not select particular peers on some port; empty if they do."""
    by_ports: defaultdict[Ports, list[Addresses]] = defaultdict(list)
    for ports, networks in parts:
        by_ports[ports].append(networks)
    merged = [(ports, union(networks)) for ports, networks in by_ports.items()]
    if not merged or not (reason := too_large(union([networks for _, networks in merged]), cluster)):
        return ""
    left = MAX_RANGES
    for wanted in port_combinations([ports for ports, _ in merged]):
        some = [merged[at][1] for at in set_bits(wanted)]
        left -= sum(len(one.v4) + len(one.v6) for one in some)
        if left < 0:
            return reason
        if found := too_large(union(some), cluster) if some else "":
            return found
    return ""


def set_bits(bits: int) -> Iterator[int]:
    """Yield the positions of the set bits; the cost depends on their number, not on the highest."""
    while bits:
        yield (bits & -bits).bit_length() - 1
        bits &= bits - 1


def port_combinations(found: Sequence[Ports]) -> set[int]:
    """Return which of several sets of ports have a port in common, as bits: each combination that some port is in."""
    numbers = [ports.by_protocol for ports in found]
    protocols = {protocol for one in numbers for protocol in one} or {""}
    combinations: set[int] = set()
    for protocol in protocols:
        combinations.update(
            IntervalIndex(
                (1 << at, ports_of_protocol(one, protocol, every=ports.are_all))
                for at, (ports, one) in enumerate(zip(found, numbers, strict=True))
            )
        )
    return combinations


def ports_of_protocol(numbers: dict[str, Intervals], protocol: str, *, every: bool) -> Intervals:
    """Return the ports of one protocol; ports of no protocol are of each."""
    if every or ("" in numbers and protocol):
        return EVERY_NUMBER
    return numbers.get(protocol, ())
