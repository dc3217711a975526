"""Cluster-wide policies of the policy API (policy.networking.k8s.io): ClusterNetworkPolicy, AdminNetworkPolicy.

Only an Accept (Allow before v1alpha2) of the admin tier goes before NetworkPolicies; Pass leads to them, and rules of the
baseline tier (BaselineAdminNetworkPolicy before) count only where no NetworkPolicy selects a Pod.
https://network-policy-api.sigs.k8s.io/api-overview/
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from webhook.model.addresses import addresses
from webhook.model.fields import HIGHEST_PORT, PortRange
from webhook.model.opening import EVERYBODY, Opening, Peers, Selected
from webhook.model.ports import EVERY_PORT, NamedPort, Ports, ports
from webhook.model.selector import EVERYTHING
from webhook.model.traffic import Direction
from webhook.netpol.reading.domains import domains
from webhook.netpol.reading.error_paths import UnreadableParts, prefix_errors
from webhook.netpol.reading.labels import NO_SELECTOR, LabelSelector
from webhook.netpol.reading.limits import check_size

BASELINE = "Baseline"
ALLOWING_ACTIONS = ("Accept", "Allow")
DENYING_ACTIONS = ("Deny", "Pass")


class NamespacedPods(Struct, rename="camel"):
    """`pods` of a subject or a peer."""

    namespace_selector: LabelSelector = NO_SELECTOR
    pod_selector: LabelSelector = NO_SELECTOR


class ClusterWidePeer(Struct, rename="camel"):
    """A subject or a peer: one of these."""

    namespaces: LabelSelector | None = None
    pods: NamespacedPods | None = None
    networks: list[str] | None = None
    nodes: LabelSelector | None = None
    domain_names: list[str] | None = None

    @property
    def parts(self) -> int:
        """Return how many labels, networks and names it has."""
        pods = self.pods or NamespacedPods()
        selectors = (
            self.namespaces or NO_SELECTOR,
            self.nodes or NO_SELECTOR,
            pods.namespace_selector,
            pods.pod_selector,
        )
        return 1 + sum(one.parts for one in selectors) + len(self.networks or ()) + len(self.domain_names or ())

    def read(self) -> Selected:
        """Return the Pods that it selects."""
        if self.pods:
            return Selected(self.pods.pod_selector.read(), self.pods.namespace_selector.read())
        return Selected(EVERYTHING, self.namespaces.read() if self.namespaces else EVERYTHING)


class PortNumbers(Struct):
    """A range of ports."""

    start: int
    end: int


class ProtocolPort(Struct):
    """A port of v1alpha1."""

    protocol: str
    port: int


class ProtocolPortRange(Struct):
    """A range of ports of v1alpha1."""

    protocol: str
    start: int
    end: int


class PortMatch(Struct, rename="camel"):
    """An entry of `ports` (v1alpha1)."""

    port_number: ProtocolPort | None = None
    port_range: ProtocolPortRange | None = None
    named_port: str | None = None


class DestinationPort(Struct):
    """`destinationPort` of a protocol."""

    number: int | None = None
    range: PortNumbers | None = None


class ProtocolPorts(Struct, rename="camel"):
    """A protocol of v1alpha2, with its ports."""

    destination_port: DestinationPort | None = None


class ProtocolMatch(Struct, rename="camel"):
    """An entry of `protocols` (v1alpha2): one of these."""

    tcp: ProtocolPorts | None = None
    udp: ProtocolPorts | None = None
    sctp: ProtocolPorts | None = None
    destination_named_port: str = ""


class ClusterWideRule(Struct):
    """An entry of `ingress` or `egress`."""

    action: str
    sources: list[ClusterWidePeer] | None = msgspec.field(default=None, name="from")
    to: list[ClusterWidePeer] | None = None
    ports: list[PortMatch] | None = None
    protocols: list[ProtocolMatch] | None = None


class ClusterWideSpec(Struct, rename="camel"):
    """The policy's `spec`."""

    tier: str = "Admin"
    subject: ClusterWidePeer = msgspec.field(default_factory=ClusterWidePeer)
    ingress: list[ClusterWideRule] | None = None
    egress: list[ClusterWideRule] | None = None


class ClusterWidePolicy(Struct):
    """A cluster-wide policy, without unused fields."""

    spec: ClusterWideSpec = msgspec.field(default_factory=ClusterWideSpec)


def openings(found: ClusterWidePolicy) -> tuple[Opening, ...]:
    """Return the openings of a cluster-wide policy; raises ValueError."""
    spec = found.spec
    if spec.tier == BASELINE:
        return ()
    check_size(parts_of(spec))
    with prefix_errors("spec.subject"):
        subject = spec.subject.read()
    read, unread = list[Opening](), UnreadableParts()
    for direction, rules in ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress)):
        for number, rule in enumerate(rules or ()):
            path = f"spec.{direction.lower()}[{number}]"
            with unread.collect_errors(path):
                if is_allowing(rule):
                    others = peers(rule.sources if direction is Direction.INGRESS else rule.to)
                    read.append(Opening(path, direction, subject, others, ports_of(rule)))
    unread.raise_collected()
    return tuple(read)


def is_allowing(rule: ClusterWideRule) -> bool:
    """Return whether a rule's action allows connections; raises ValueError for an action that the API does not have."""
    if rule.action not in {*ALLOWING_ACTIONS, *DENYING_ACTIONS}:
        raise ValueError(
            f"action: {rule.action[:60]!r} is not a valid action: use Accept (Allow in v1alpha1), Deny or Pass"
        )
    return rule.action in ALLOWING_ACTIONS


def parts_of(spec: ClusterWideSpec) -> Iterator[int]:
    """Yield how many parts each piece of a spec has."""
    yield spec.subject.parts
    for rule in (*(spec.ingress or ()), *(spec.egress or ())):
        yield 1 + len(rule.ports or ()) + len(rule.protocols or ())
        yield from (one.parts for one in (*(rule.sources or ()), *(rule.to or ())))


def peers(found: list[ClusterWidePeer] | None) -> Peers:
    """Return the peers of a rule; an entry without a known field counts as every peer."""
    networks, selected, named = [], [], []
    for one in found or [ClusterWidePeer()]:
        if one.networks:
            networks += one.networks
        elif one.pods or one.namespaces:
            selected.append(one.read())
        elif one.nodes:
            named.append("the nodes that it selects")
        elif one.domain_names and (text := domains(one.domain_names)):
            named.append(text)
        else:
            return EVERYBODY
    return Peers(
        networks=addresses(networks),
        written=tuple(networks),
        selected=tuple(dict.fromkeys(selected)),
        named=tuple(dict.fromkeys(named)),
    )


def ports_of(rule: ClusterWideRule) -> Ports:
    """Return a rule's ports; every port where an entry names them in a way that is not read."""
    found = [*map(port, rule.ports or ()), *map(protocol, rule.protocols or ())]
    return EVERY_PORT if None in found else ports(one for one in found if one is not None)


def port(found: PortMatch) -> PortRange | NamedPort | None:
    """Return a port of v1alpha1."""
    if found.port_number:
        return PortRange(found.port_number.protocol[:60], found.port_number.port, found.port_number.port)
    if found.port_range:
        return PortRange(found.port_range.protocol[:60], found.port_range.start, found.port_range.end)
    return NamedPort("", found.named_port[:60]) if found.named_port else None


def protocol(found: ProtocolMatch) -> PortRange | NamedPort | None:
    """Return a port of v1alpha2."""
    if found.destination_named_port:
        return NamedPort("", found.destination_named_port[:60])
    for name, carried in (("TCP", found.tcp), ("UDP", found.udp), ("SCTP", found.sctp)):
        if carried is None:
            continue
        at = carried.destination_port
        if at and at.range:
            return PortRange(name, at.range.start, at.range.end)
        if at and at.number:
            return PortRange(name, at.number, at.number)
        return PortRange(name, 1, HIGHEST_PORT)
    return None
