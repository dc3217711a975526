"""Whether a flow of the policy file says what somebody's policy opens."""

from ipaddress import ip_network

from webhook.model.names import NAMESPACE_NAME
from webhook.model.network import Flow, FlowEnd
from webhook.model.policy import GuardPolicy
from webhook.model.selector import Selector, values_of
from webhook.model.traffic import Direction, Networks, Opening, Peer

# Name servers' ports, before and behind OpenShift's Service.
DNS_PORTS = {53, 5353}
DNS_PROTOCOLS = {"TCP", "UDP"}


def covers(flow: Flow, opening: Opening, namespace: str, policy: GuardPolicy) -> bool:
    """Whether an opening in a namespace lies within a flow: its Pods, its peer and its ports.

    Where that cannot be told by equalities and sets, it does not; between namespaces of one environment it never does,
    as the flow's own policies say that already.
    """
    inward = opening.allow.direction is Direction.INGRESS
    own, other = (flow.to, flow.source) if inward else (flow.source, flow.to)
    return (
        own.names(namespace)
        and is_role(own, opening.subject, policy)
        and meets(other, opening.allow.peer, policy)
        and on_ports(flow, opening)
    )


def is_role(end: FlowEnd, labels: Selector, policy: GuardPolicy) -> bool:
    """Whether a selector of Pods means none but those of an end's role."""
    if end.role is None:
        return True
    values = values_of(labels, policy.workloads.role.label)
    return values is not None and values <= {end.role}


def meets(end: FlowEnd, peer: Peer, policy: GuardPolicy) -> bool:
    """Whether a peer is nobody but those at an end."""
    if isinstance(peer, Networks):
        within = policy.network.outside if end.is_outside else end.cidrs
        return all(any(contains(whole, part) for whole in within) for part in peer.cidrs)
    if not end.is_pods or not is_role(end, peer.labels, policy):
        return False
    if peer.namespaces is None or not end.namespaces:
        return peer.namespaces is None and not end.namespaces
    names = values_of(peer.namespaces, NAMESPACE_NAME)
    return names is not None and names <= {*end.namespaces}


def contains(whole: str, part: str) -> bool:
    """Whether a network lies in another."""
    outer, inner = ip_network(whole), ip_network(part)
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def on_ports(flow: Flow, opening: Opening) -> bool:
    """Whether a flow has each port of an opening; every port is more than any flow has."""
    return bool(opening.allow.ports) and all(
        any(
            one.protocol == port.protocol and one.first <= port.first and port.last <= one.last
            for one in flow.port_ranges
        )
        for port in opening.allow.ports
    )


def asks_for_names(opening: Opening) -> bool:
    """Whether an opening leads to name servers of the cluster, by their ports, and to nobody else."""
    ports = opening.allow.ports
    asks = all(port.first == port.last and port.first in DNS_PORTS and port.protocol in DNS_PROTOCOLS for port in ports)
    return opening.allow.direction is Direction.EGRESS and bool(ports) and asks
