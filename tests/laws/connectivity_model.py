"""Compute the allowed connections in three ways: from NetworkPolicies, from Calico's policies, and from the flows of the policy file.

The evaluators follow https://kubernetes.io/docs/concepts/services-networking/network-policies/ and
libcalico-go (lib/backend/syncersv1/updateprocessors/rules.go). A missing or empty field of a rule matches every peer and
every port, so a rendering mistake opens something here as it would in a cluster.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from tests.unit.netpol.calico_grammar import clauses_of
from webhook.model.network import Flow, FlowEnd, Network
from webhook.model.policy import GuardPolicy
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace

Json = Mapping[str, Any]
Probe = tuple[str, int]  # a protocol and a port

GUARD: Final = "catflap.dev/guard"
NAME: Final = "kubernetes.io/metadata.name"
MESH_PORTS: Final = {"istio-ambient": 15008, "linkerd": 4143}


@dataclass(frozen=True)
class Space:
    """A namespace: managed or not, in an environment or in none."""

    name: str
    environment: str = ""
    managed: bool = True

    @property
    def labels(self) -> dict[str, str]:
        """Return its labels in the cluster."""
        environment = {"environment": self.environment} if self.environment else {}
        return {NAME: self.name, **environment, **({GUARD: "enabled"} if self.managed else {})}


@dataclass(frozen=True)
class Place:
    """An end of a connection: a Pod in a namespace, or another host; with one address of each IP version."""

    addresses: tuple[str, str]
    space: Space | None = None
    role: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """Return the labels of a Pod."""
        return {"app": "a", **({"role": self.role} if self.role else {})}


SPACES: Final = (
    Space("shop", "production"),
    Space("web", "production"),
    Space("db", "test"),
    Space("dev"),
    Space("wild", "production", managed=False),
)
ROLES: Final = ("frontend", "backend", "")
PODS: Final = tuple(
    Place((f"10.0.{row}.{column}", f"fd00::{row}:{column}"), space, role)
    for row, space in enumerate(SPACES, 1)
    for column, role in enumerate(ROLES, 1)
)
STRANGERS: Final = (Place(("192.0.2.1", "2001:db8::1")), Place(("10.255.0.1", "fd00:ffff::1")))


class Side(NamedTuple):
    """A connection from the view of one end: the end, the direction, the other end, and the address of the other end."""

    own: Place
    direction: str
    peer: Place
    address: str


@dataclass(frozen=True)
class Rule:
    """One rule: its peers and its ports."""

    reaches: Callable[[Place, str], bool]
    carries: Callable[[Probe], bool]


@dataclass(frozen=True)
class Policy:
    """A policy of either engine: the selected Pods, the isolated directions, and the rules."""

    space: str
    selects: Callable[[Place], bool]
    closes: frozenset[str]
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)


def open_at(policies: Iterable[Policy], side: Side) -> Callable[[Probe], bool]:
    """Return whether the policies of one end allow a connection; without an isolating policy, everything is allowed."""
    own, direction, peer, address = side
    closing = [
        policy
        for policy in policies
        if own.space and policy.space == own.space.name and direction in policy.closes and policy.selects(own)
    ]
    rules = [rule for policy in closing for rule in policy.rules.get(direction, ()) if rule.reaches(peer, address)]
    return lambda probe: not closing or any(rule.carries(probe) for rule in rules)


def policies_of(policy: GuardPolicy, engine: PolicyEngine) -> tuple[Policy, ...]:
    """Return the policies that are rendered for an engine and every managed namespace."""
    read = {PolicyEngine.KUBERNETES: read_kubernetes, PolicyEngine.CALICO: read_calico}[engine]
    births = [RenderTarget(space.name, "", "", space.environment) for space in SPACES if space.managed]
    return tuple(read(manifest) for birth in births for manifest in render_namespace(policy, birth, engine))


@cache
def within(address: str, cidr: str) -> bool:
    """Return whether an address is in a network."""
    found, network = ip_address(address), ip_network(cidr)
    return found.version == network.version and found in network


def read_kubernetes(manifest: Json) -> Policy:
    """Convert a NetworkPolicy of networking.k8s.io/v1."""
    spec, space = manifest["spec"], manifest["metadata"]["namespace"]
    return Policy(
        space,
        lambda place: matches(spec["podSelector"], place.labels),
        frozenset(spec["policyTypes"]),
        {
            direction: tuple(kubernetes_rule(rule, peers, space) for rule in spec.get(direction.lower(), ()))
            for direction, peers in (("Ingress", "from"), ("Egress", "to"))
        },
    )


def kubernetes_rule(rule: Json, key: str, space: str) -> Rule:
    """Convert a rule: one of the peers and one of the ports must match."""
    assert set(rule) <= {key, "ports"}
    peers, ports = rule.get(key), rule.get("ports")
    return Rule(
        lambda place, address: not peers or any(is_peer(peer, place, address, space) for peer in peers),
        lambda probe: not ports or any(is_port(port, probe) for port in ports),
    )


def is_peer(peer: Json, place: Place, address: str, space: str) -> bool:
    """Return whether an entry of `from` or `to` matches an end."""
    if "ipBlock" in peer:
        assert set(peer) == {"ipBlock"}
        assert set(peer["ipBlock"]) == {"cidr"}
        return within(address, peer["ipBlock"]["cidr"])
    if not place.space:
        return False
    spaces = peer.get("namespaceSelector")
    near = place.space.name == space if spaces is None else matches(spaces, place.space.labels)
    return near and matches(peer.get("podSelector", {}), place.labels)


def matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """Return whether a LabelSelector of `matchLabels` and `In` matches labels; an empty one always does."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    assert all(part["operator"] == "In" for part in selector.get("matchExpressions", ()))
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(part["key"]) in part["values"] for part in selector.get("matchExpressions", ())
    )


def is_port(port: Json, probe: Probe) -> bool:
    """Return whether an entry of `ports` matches a protocol and a port."""
    protocol, number = probe
    return bool(port["protocol"] == protocol and port["port"] <= number <= port.get("endPort", port["port"]))


def read_calico(manifest: Json) -> Policy:
    """Convert a NetworkPolicy of projectcalico.org/v3."""
    spec, space = manifest["spec"], manifest["metadata"]["namespace"]
    return Policy(
        space,
        lambda place: fits(spec["selector"], place.labels),
        frozenset(spec["types"]),
        {
            direction: tuple(calico_rule(rule, end, space) for rule in spec.get(direction.lower(), ()))
            for direction, end in (("Ingress", "source"), ("Egress", "destination"))
        },
    )


def calico_rule(rule: Json, end: str, space: str) -> Rule:
    """Convert a rule: all of its fields must match."""
    assert rule["action"] == "Allow"
    peer, ports = rule.get(end, {}), rule.get("destination", {}).get("ports")
    first_last = [tuple(map(int, str(port).split(":"))) for port in ports or ()]

    def reaches(place: Place, address: str) -> bool:
        nets, spaces, selector = (peer.get(key) for key in ("nets", "namespaceSelector", "selector"))
        if nets and not any(within(address, net) for net in nets):
            return False
        if not spaces and not selector:
            return True
        if not place.space:
            return False
        near = fits(spaces, place.space.labels) if spaces else place.space.name == space
        return near and fits(selector or "", place.labels)

    def carries(probe: Probe) -> bool:
        protocol, number = probe
        return rule.get("protocol", protocol) == protocol and (
            not ports or any(numbers[0] <= number <= numbers[-1] for numbers in first_last)
        )

    return Rule(reaches, carries)


def fits(selector: str, labels: Mapping[str, str]) -> bool:
    """Return whether a Calico selector matches labels."""
    for key, how, values in read_selector(selector):
        assert how in {"==", "in"}
        if labels.get(key) not in values:
            return False
    return True


read_selector = cache(clauses_of)


def meant(policy: GuardPolicy, side: Side) -> Callable[[Probe], bool]:
    """Return whether the flows allow one end of a connection; an unmanaged end may connect to everything."""
    if not (side.own.space and side.own.space.managed):
        return lambda _: True
    wanted = [flow for flow in policy.network.flows if is_meant(flow, policy.network, side)]
    return lambda probe: any(
        is_on(flow, probe) or (flow.source.is_pods and flow.to.is_pods and is_mesh(flow, policy.network, probe))
        for flow in wanted
    )


def is_meant(flow: Flow, network: Network, side: Side) -> bool:
    """Return whether a flow applies to these two ends, without regard to ports."""
    own, direction, peer, address = side
    here, there = (flow.to, flow.source) if direction == "Ingress" else (flow.source, flow.to)
    if not is_end(here, own):
        return False
    if there.cidrs:
        return any(within(address, cidr) for cidr in there.cidrs)
    if there.is_outside:
        inside = network.cluster_cidrs
        versions = {ip_network(cidr).version for cidr in inside} or {4, 6}
        return ip_address(address).version in versions and not any(within(address, cidr) for cidr in inside)
    return is_end(there, peer) and goes_together(flow, own.space, peer.space, own_named=bool(here.namespaces))


def is_end(end: FlowEnd, place: Place) -> bool:
    """Return whether an end of a flow matches a Pod."""
    return (
        end.is_pods
        and place.space is not None
        and (not end.namespaces or place.space.name in end.namespaces)
        and (end.role is None or end.role == place.role)
    )


def goes_together(flow: Flow, own: Space | None, peer: Space | None, *, own_named: bool) -> bool:
    """Return whether a flow between Pods applies between these namespaces: see `webhook.netpol.flows`."""
    assert own
    assert peer
    named = bool(flow.source.namespaces or flow.to.namespaces)
    peer_named = bool(flow.source.namespaces and flow.to.namespaces) or (named and not own_named)
    if own_named and not peer_named and not peer.managed:
        return False
    if flow.across and own.environment:
        return peer.environment == own.environment
    return (named and not flow.across) or (not named and own.name == peer.name)


def is_on(flow: Flow, probe: Probe) -> bool:
    """Return whether a flow includes a port."""
    protocol, number = probe
    return any(protocol == one.protocol and one.first <= number <= one.last for one in flow.port_ranges)


def is_mesh(flow: Flow, network: Network, probe: Probe) -> bool:
    """Return whether a mesh uses a port for a flow's TCP connections."""
    carried = any(one.protocol == "TCP" for one in flow.port_ranges)
    return carried and probe in {("TCP", MESH_PORTS[preset]) for preset in network.presets if preset in MESH_PORTS}


def probes(policy: GuardPolicy) -> tuple[Probe, ...]:
    """Return the ports around the limits of the flows' ranges, in each protocol, and the ports of meshes."""
    numbers = {
        number
        for flow in policy.network.flows
        for one in flow.port_ranges
        for number in (one.first - 1, one.first, one.last, one.last + 1)
        if 1 <= number <= 65535
    }
    return tuple((protocol, number) for protocol in ("TCP", "UDP", "SCTP") for number in {*numbers, 15008, 4143})


def sides() -> Iterator[Side]:
    """Yield every end of every possible connection."""
    for own in PODS:
        for peer in (*PODS, *STRANGERS):
            for direction in ("Ingress", "Egress"):
                for address in peer.addresses:
                    yield Side(own, direction, peer, address)
