"""An index of flows by their peers and ports: built once for a policy file, queried for each rule of a network policy."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Protocol

from webhook.model.addresses import Addresses, addresses
from webhook.model.fields import PortRange
from webhook.model.interval_index import IntervalIndex
from webhook.model.intervals import merged
from webhook.model.ports import Ports


class FlowPeer(Protocol):
    """One end of a flow."""

    @property
    def role(self) -> str | None:
        """Return the role of its Pods."""

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces that it names."""

    @property
    def cidrs(self) -> tuple[str, ...]:
        """Return its networks."""

    @property
    def is_outside(self) -> bool:
        """Return whether it is outside of the cluster."""

    @property
    def is_pods(self) -> bool:
        """Return whether it is a set of Pods in the cluster."""


class FlowIndex:
    """The index of one end of each flow; results are integers in which bit n is flow n."""

    def __init__(
        self,
        ends: Sequence[tuple[FlowPeer, FlowPeer]],
        ports: Sequence[Iterable[PortRange]],
        outside: tuple[str, ...],
    ) -> None:
        """`ends` are the indexed end of each flow and the opposite end; `outside` are the networks for that word."""
        networks: defaultdict[tuple[str, ...], int] = defaultdict(int)
        numbers: defaultdict[str, list[tuple[int, list[tuple[int, int]]]]] = defaultdict(list)
        self._pods: defaultdict[tuple[str | None, str], int] = defaultdict(int)
        self._everywhere: defaultdict[str | None, int] = defaultdict(int)
        for at, ((end, opposite), some) in enumerate(zip(ends, ports, strict=True)):
            bit = 1 << at
            if end.is_pods and not end.namespaces and opposite.namespaces:
                self._everywhere[end.role] |= bit
            if end.is_pods:
                for name in end.namespaces or ("",):
                    self._pods[end.role, name] |= bit
            else:
                networks[outside if end.is_outside else end.cidrs] |= bit
            by_protocol = defaultdict(list)
            for protocol, first, last in some:
                by_protocol[protocol].append((first, last))
            for protocol, ranges in by_protocol.items():
                numbers[protocol].append((bit, ranges))
        found = [(bits, addresses(cidrs)) for cidrs, bits in networks.items()]
        self._v4 = IntervalIndex((bits, each.v4) for bits, each in found)
        self._v6 = IntervalIndex((bits, each.v6) for bits, each in found)
        self._ports = {
            protocol: IntervalIndex((bit, merged(ranges)) for bit, ranges in each) for protocol, each in numbers.items()
        }

    def addresses(self, found: Addresses) -> Iterator[int]:
        """Yield the flows that reach each part of a set of addresses."""
        yield from self._v4.holding(found.v4)
        yield from self._v6.holding(found.v6)

    def ports(self, found: Ports) -> set[int]:
        """Return the flows that have each of some ports; a flow has no named port and never every port."""
        if found.are_all or found.names:
            return {0}
        masks: set[int] = set()
        for protocol, numbers in found.by_protocol.items():
            masks.update(self._ports[protocol].holding(numbers) if protocol in self._ports else {0})
        return masks

    def pods(self, namespaces: frozenset[str], roles: frozenset[str] | None, *, own: str) -> int:
        """Return the flows whose end includes all Pods of some namespaces and roles; `own` is the policy's namespace.

        An end that names no namespace is Pods of the flow's other end: of the policy's own namespace.
        """
        wanted = role_keys(roles)
        found = -1
        for name in namespaces:
            here = (name, "") if name == own else (name,)
            found &= reduce(or_, (self._pods.get((role, each), 0) for role in wanted for each in here))
        return found

    def managed_pods(self, roles: frozenset[str] | None) -> int:
        """Return the flows whose end includes all Pods of some roles in every managed namespace.

        Such an end names no namespace, while the opposite end does.
        """
        return reduce(or_, (self._everywhere.get(role, 0) for role in role_keys(roles)))


def role_keys(roles: frozenset[str] | None) -> tuple[str | None, ...]:
    """Return the index keys of ends that include all Pods of some roles; None is the key for any role."""
    return (None, *roles) if roles is not None and len(roles) == 1 else (None,)
