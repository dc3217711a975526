"""Check what an engine or the nodes cannot express or enforce."""

from collections import Counter
from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from webhook.config.faults import PolicyFault
from webhook.config.flows import ends
from webhook.model.fields import LONGEST_NAMESPACE, PortRange, port_range
from webhook.model.names import NAMESPACE_NAME
from webhook.model.policy import GuardPolicy
from webhook.model.selector import AllOf, Equals, OneOf, Selector, labels, printed
from webhook.model.traffic import Direction, Peer
from webhook.netpol.calico import cluster_wide_default_deny, peer_entities, ports_by_protocol
from webhook.netpol.flows import flow_sides, side_allows
from webhook.netpol.intent import Intent
from webhook.netpol.manifest import RenderTarget

SCTP = "SCTP"
IPV6 = 6
MOST_RULES = 1024  # of one direction (projectcalico.org/v3 schema, maxItems)


def too_long(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Yield a fault for each selector that Calico cannot name, in both engines, so that both support the same files."""
    if not isinstance(policy.network.dns, str):
        for number, server in enumerate(policy.network.dns):
            yield from unprintable(f"network.dns[{number}].namespaceLabels", labels(server.namespace_labels))
            yield from unprintable(f"network.dns[{number}].podLabels", labels(server.pod_labels))
    environment = policy.namespaces.environment
    longest = [Equals(environment.label, max(environment.one_of, key=len, default=""))]
    for path, end in ends(policy):
        yield from unprintable(path, AllOf((*longest, OneOf(NAMESPACE_NAME, end.namespaces))))


def unprintable(path: str, selector: Selector) -> Iterator[PolicyFault]:
    """Yield the fault of a selector that cannot be printed, if it has one."""
    try:
        printed(selector)
    except ValueError as bad:
        yield PolicyFault(path, str(bad))


def too_many(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Yield a fault for each role with more rules or outside networks than one Calico policy takes in any namespace."""
    if len(policy.network.outside) > MOST_RULES:
        message = f"{len(policy.network.outside)} networks remain outside of these networks; the limit is {MOST_RULES}"
        yield PolicyFault("network.clusterCIDRs", message)
        return
    environment = next(iter(policy.namespaces.environment.one_of), "")
    # the number of rules for each peer; counting takes as long as making the rules
    parts: dict[Peer, int] = {}
    rules: Counter[tuple[str | None, Direction]] = Counter()
    for side in flow_sides(policy):
        for allow in side_allows(side, environment, policy) if side.own.is_pods else ():
            if allow.peer not in parts:
                parts[allow.peer] = parts_of(allow.peer)
            rules[side.own.role, side.direction] += parts[allow.peer] * sum(1 for _ in ports_by_protocol(allow.ports))
    for (role, direction), count in rules.items():
        if count > MOST_RULES:
            message = (
                f"{count} {direction} rules for {role or 'Pods without a role'}; the limit of Calico is {MOST_RULES}"
            )
            yield PolicyFault("network.flows", message)


def parts_of(peer: Peer) -> int:
    """Return the number of rules that name a peer; 0 if its selector cannot be printed."""
    try:
        return sum(1 for _ in peer_entities(peer))
    except ValueError:  # `too_long` reports it
        return 0


def windows(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Yield a fault for each setting that Windows nodes skip and only log (felix/dataplane/windows/policysets)."""
    network = policy.network
    if not network.windows_nodes:
        return
    if not isinstance(network.dns, str):
        for number, server in enumerate(network.dns):
            yield from not_on_windows(f"network.dns[{number}]", server.cidrs, map(port_range, server.ports))
    for number, flow in enumerate(network.flows):
        path = f"network.flows[{number}]"
        yield from not_on_windows(path, (*flow.source.cidrs, *flow.to.cidrs), flow.port_ranges)
    yield from not_on_windows("network.clusterCIDRs", network.cluster_cidrs, ())
    yield from not_on_windows("network.nodeCIDRs", network.node_cidrs, ())


def not_on_windows(path: str, cidrs: Iterable[str], ports: Iterable[PortRange]) -> Iterator[PolicyFault]:
    """Yield a fault for each network and port that a Windows node does not enforce."""
    for cidr in cidrs:
        if ip_network(cidr).version == IPV6:
            yield PolicyFault(path, f"{cidr}: Windows nodes do not enforce IPv6 policies (network.windowsNodes)")
    if any(one.protocol == SCTP for one in ports):
        yield PolicyFault(path, "SCTP: Windows nodes do not enforce SCTP (network.windowsNodes)")


def presets(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that the file names the networks of nodes, because probes come from them and no other source names them."""
    if "kubelet-probes" in policy.network.presets and not policy.network.node_cidrs:
        yield PolicyFault(
            "network.nodeCIDRs",
            "the preset kubelet-probes allows connections from nodes: list the networks of the nodes",
        )


def staging(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that the engine is Calico, which alone has staged kinds."""
    if policy.network.staged and policy.network.engine in {"kubernetes", "none"}:
        yield PolicyFault(
            "network.staged", f"the engine {policy.network.engine!r} has no staged policies; set network.engine: calico"
        )


def default_deny(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that the cluster-wide default deny isolates all namespaces except the exempt ones."""
    if not policy.network.cluster_wide_default_deny:
        return
    if policy.network.engine in {"kubernetes", "none"}:
        message = f"the engine {policy.network.engine!r} has no GlobalNetworkPolicy; set network.engine: calico"
        yield PolicyFault("network.clusterWideDefaultDeny", message)
    if policy.namespaces.include_existing != "all":
        message = "it isolates every namespace, also existing ones, so it needs namespaces.includeExisting: all"
        yield PolicyFault("network.clusterWideDefaultDeny", message)
    exempt = [*policy.namespaces.exempted, "x" * LONGEST_NAMESPACE]  # catflap's own namespace, with any name
    try:
        cluster_wide_default_deny(Intent("net"), RenderTarget("", "", ""), exempt)
    except ValueError as bad:
        yield PolicyFault("namespaces.exempt", f"too many for network.clusterWideDefaultDeny: {bad}")
