"""What is wrong with flows taken together: roles that there are not, and ways that lead out of an environment and into another."""

from collections.abc import Iterator
from ipaddress import ip_network
from itertools import product

from webhook.config.faults import PolicyFault, suggestion
from webhook.model.fields import namespace_name
from webhook.model.names import ROLE_PREFIX
from webhook.model.network import OUTSIDE, Flow, FlowEnd
from webhook.model.policy import GuardPolicy
from webhook.model.traffic import spans_everything


def ends(policy: GuardPolicy) -> Iterator[tuple[str, FlowEnd]]:
    """Each end of each flow with its path."""
    for number, flow in enumerate(policy.network.flows):
        yield f"network.flows[{number}].from", flow.source
        yield f"network.flows[{number}].to", flow.to


def roles(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """The roles of flows are roles that there are, and can be part of a policy's name."""
    known = policy.workloads.role.one_of
    if OUTSIDE in known and policy.network.flows:
        yield PolicyFault("workloads.role.oneOf", f"{OUTSIDE!r} is no role where there are flows: it means the outside")
    for path, end in ends(policy):
        if not end.is_pods or end.role is None:
            continue
        if end.role not in known:
            message = f"no role is called {end.role!r}{suggestion(end.role, known)}; the roles are {', '.join(known)}"
            yield PolicyFault(path, message)
            continue
        try:
            namespace_name(f"{ROLE_PREFIX}{end.role}")  # a policy's name has the same letters
        except ValueError:
            message = f"the role {end.role!r} cannot be part of a policy's name: at most 50 of a-z, 0-9 and '-'"
            yield PolicyFault(path, message)


def reachable(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Networks must not lead from one environment into another: in by one flow, out by another, on a shared port."""
    flows = list(enumerate(policy.network.flows))
    if any(end.is_outside for _, end in ends(policy)) and not policy.network.outside:
        yield PolicyFault("network.clusterCIDRs", "nothing is left outside of these networks")
    if not policy.namespaces.environment.one_of:
        return
    for (inward, into), (outward, out) in product(flows, flows):
        if meet(policy, into.source, out.to) and (shared := shared_port(into, out)):
            message = (
                f"with network.flows[{outward}] it leads from one environment into another on {shared}: "
                "both reach addresses of Pods; name the networks of Pods in network.clusterCIDRs and leave them out here"
            )
            yield PolicyFault(f"network.flows[{inward}]", message)


def meet(policy: GuardPolicy, source: FlowEnd, target: FlowEnd) -> bool:
    """Whether Pods may be among the addresses at both ends."""
    return not (source.is_pods or target.is_pods) and all(may_be_pods(policy, end) for end in (source, target))


def may_be_pods(policy: GuardPolicy, end: FlowEnd) -> bool:
    """Whether addresses may be those of Pods: certainly not outside of a known cluster."""
    if end.is_outside:
        return not policy.network.cluster_cidrs
    known = policy.network.cluster_cidrs
    told = {ip_network(cidr).version for cidr in known}
    untold = [cidr for cidr in end.cidrs if ip_network(cidr).version not in told]
    # Where nobody told, only who names everything is sure to name Pods.
    return spans_everything(untold) or any(overlap(cidr, other) for cidr, other in product(end.cidrs, known))


def overlap(one: str, other: str) -> bool:
    """Whether two networks share an address."""
    first, second = ip_network(one), ip_network(other)
    return first.version == second.version and first.overlaps(second)


def shared_port(one: Flow, other: Flow) -> str:
    """A port that two flows have in common; empty where they have none."""
    for first, second in product(one.port_ranges, other.port_ranges):
        low, high = max(first.first, second.first), min(first.last, second.last)
        if first.protocol == second.protocol and low <= high:
            return f"{low}/{first.protocol}"
    return ""
