"""The flows of the policy file as the policies of one namespace: one a role, open to both sides of each flow."""

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
    """A flow as one of its ends sees it."""

    flow: Flow
    direction: Direction
    own: FlowEnd
    other: FlowEnd


def flow_intents(policy: GuardPolicy, namespace: str, environment: str) -> Iterator[Intent]:
    """The policies of a namespace that is in an environment, or in none (the empty string), in the order of the roles.

    A flow becomes an ingress rule where its target is and an egress rule where its source is. Ends without namespaces
    are Pods of one and the same namespace, or of one environment where the flow says so; opposite to an end that names
    its namespaces, they are Pods of every guarded one.
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
    """Each flow from either end."""
    for flow in policy.network.flows:
        yield FlowSide(flow, Direction.INGRESS, flow.to, flow.source)
        yield FlowSide(flow, Direction.EGRESS, flow.source, flow.to)


def side_allows(side: FlowSide, environment: str, policy: GuardPolicy) -> Iterator[Allow]:
    """What a flow leaves open at one end: one rule, or none where it keeps apart."""
    flow, other = side.flow, side.other
    if not other.is_pods:
        cidrs = policy.network.outside if other.is_outside else other.cidrs
        yield Allow(side.direction, Networks(cidrs), flow.port_ranges)
        return
    if flow.across and not environment and (side.own.namespaces or other.namespaces):
        return
    spaces = tuple(peer_namespaces(side, environment, policy))
    peer = Pods(role_selector(other.role, policy), AllOf(spaces) if spaces else None)
    yield Allow(side.direction, peer, (*flow.port_ranges, *mesh_ports(flow, policy.network)))


def peer_namespaces(side: FlowSide, environment: str, policy: GuardPolicy) -> Iterator[Selector]:
    """Where the other end's Pods are; nothing where they are in the namespace itself."""
    if side.flow.across and environment:
        yield Equals(policy.namespaces.environment.label, environment)
    if side.other.namespaces:
        yield OneOf(NAMESPACE_NAME, side.other.namespaces)
    elif side.own.namespaces:
        yield Equals(GUARD_LABEL, GUARDED)


def role_selector(role: str | None, policy: GuardPolicy) -> AllOf:
    """Pods by their role; all of them without one."""
    return labels({policy.workloads.role.label: role}) if role else EVERYTHING
