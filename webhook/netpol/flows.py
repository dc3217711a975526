"""Convert the flows of the policy file to the policies of one namespace: one policy per role, with both ends of each flow."""

from collections.abc import Iterator
from typing import NamedTuple

from webhook.model.names import FLOWS, GUARD_LABEL, GUARDED, NAMESPACE_NAME, ROLE_PREFIX
from webhook.model.network import Flow, FlowEnd
from webhook.model.policy import GuardPolicy
from webhook.model.selector import EVERYTHING, AllOf, Equals, OneOf, Selector, labels
from webhook.model.traffic import Allow, Direction, Networks, Pods
from webhook.netpol.intent import Intent
from webhook.netpol.presets import mesh_ports


class FlowSide(NamedTuple):
    """A flow from the view of one of its ends."""

    flow: Flow
    direction: Direction
    own: FlowEnd
    other: FlowEnd


def flow_intents(policy: GuardPolicy, namespace: str, environment: str) -> Iterator[Intent]:
    """Yield the policies of a namespace in an environment (empty for none), in the order of the roles.

    A flow becomes an ingress rule in the namespace of its target and an egress rule in the namespace of its source. If neither end names
    namespaces, both ends are Pods of the same namespace, or of the same environment where the flow says so. If only one end names
    namespaces, the other end are the Pods of every managed namespace.
    """
    by_role: dict[str | None, list[Allow]] = {role: [] for role in (*policy.workloads.role.one_of, None)}
    for side in flow_sides(policy):
        if side.own.names(namespace):
            by_role[side.own.role] += side_allows(side, environment, policy)
    for role, allows in by_role.items():
        if allows:
            name = f"{ROLE_PREFIX}{role}" if role else FLOWS
            yield Intent(name, allows=tuple(allows), subject=role_selector(role, policy))


def flow_sides(policy: GuardPolicy) -> Iterator[FlowSide]:
    """Yield each flow twice, once for each end."""
    for flow in policy.network.flows:
        yield FlowSide(flow, Direction.INGRESS, flow.to, flow.source)
        yield FlowSide(flow, Direction.EGRESS, flow.source, flow.to)


def side_allows(side: FlowSide, environment: str, policy: GuardPolicy) -> Iterator[Allow]:
    """Yield the rule of a flow at one end; none where the flow does not apply to the environment."""
    flow, other = side.flow, side.other
    if not other.is_pods:
        cidrs = policy.network.outside if other.is_outside else other.cidrs
        yield Allow(side.direction, Networks(cidrs), flow.port_ranges)
        return
    if flow.across and not environment and (side.own.namespaces or other.namespaces):
        return
    namespaces = tuple(peer_namespaces(side, environment, policy))
    peer = Pods(role_selector(other.role, policy), AllOf(namespaces) if namespaces else None)
    yield Allow(side.direction, peer, (*flow.port_ranges, *mesh_ports(flow, policy.network)))


def peer_namespaces(side: FlowSide, environment: str, policy: GuardPolicy) -> Iterator[Selector]:
    """Yield the namespace selectors of the other end; none where its Pods are in the namespace itself."""
    if side.flow.across and environment:
        yield Equals(policy.namespaces.environment.label, environment)
    if side.other.namespaces:
        yield OneOf(NAMESPACE_NAME, side.other.namespaces)
    elif side.own.namespaces:
        yield Equals(GUARD_LABEL, GUARDED)


def role_selector(role: str | None, policy: GuardPolicy) -> AllOf:
    """Return the selector of the Pods of a role; without a role, of all Pods."""
    return labels({policy.workloads.role.label: role}) if role else EVERYTHING
