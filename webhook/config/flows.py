"""Check flows together: their roles must exist, and networks must not connect two environments."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from webhook.config.faults import PolicyFault, choices
from webhook.config.spans import Spans, addresses
from webhook.model.fields import namespace_name
from webhook.model.names import ROLE_PREFIX
from webhook.model.network import OUTSIDE, FlowEnd
from webhook.model.policy import GuardPolicy
from webhook.model.traffic import spans_everything

OUTER_WORDS: Final = frozenset({"internet", "external", "public", "world", "extern"})
OUTSIDE_MEANT: Final = f"; addresses that are not in the cluster have the name {OUTSIDE}"


def ends(policy: GuardPolicy) -> Iterator[tuple[str, FlowEnd]]:
    """Yield each end of each flow with its path."""
    for number, flow in enumerate(policy.network.flows):
        yield f"network.flows[{number}].from", flow.source
        yield f"network.flows[{number}].to", flow.to


def reserved_role(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that no role has the name that flows have for addresses outside of the cluster."""
    if not policy.network.flows:
        return
    for number, role in enumerate(policy.workloads.role.one_of):
        if role == OUTSIDE:
            yield PolicyFault(
                f"workloads.role.oneOf[{number}]",
                f"{OUTSIDE!r} is a reserved word in flows and means all addresses outside of the cluster; rename the role",
            )


def roles(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that the roles of flows exist and can be part of a policy's name."""
    known = dict.fromkeys(policy.workloads.role.one_of)
    for path, end in ends(policy):
        if not end.is_pods or end.role is None:
            continue
        if end.role not in known:
            meant = OUTSIDE_MEANT if end.role.lower() in OUTER_WORDS else choices(end.role, known, "the roles")
            message = f"unknown role {end.role!r}{meant}"
            yield PolicyFault(path, message)
            continue
        try:
            namespace_name(f"{ROLE_PREFIX}{end.role}")  # a policy's name allows the same letters
        except ValueError:
            message = (
                f"the role {end.role!r} cannot be part of the name of a policy: use at most 50 characters of "
                "a-z, 0-9 and '-'"
            )
            yield PolicyFault(path, message)


def reachable(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that networks do not lead from one environment into another.

    They do if one flow leads in and another leads out on a shared port. The fault of a flow names one such other flow.
    """
    if any(end.is_outside for _, end in ends(policy)) and not policy.network.outside:
        yield PolicyFault(
            "network.clusterCIDRs", "these networks contain every address, so no address is left for outside"
        )
    if not policy.namespaces.environment.one_of:
        return
    may_be_pods = pods_among(policy.network.cluster_cidrs)
    flows = list(enumerate(policy.network.flows))
    inward = [(flow, number) for number, flow in flows if may_be_pods(flow.source)]
    outward = [(flow, number) for number, flow in flows if may_be_pods(flow.to)]
    named: set[int] = set()
    for some, others in ((inward, outward), (outward, inward)):
        spans = Spans((port, number) for flow, number in others for port in flow.port_ranges)
        for flow, number in some:
            met = next(((port, found) for port in flow.port_ranges if (found := spans.meeting(port))), None)
            if met is None or number in named:
                continue
            port, (shared, other) = met
            named.add(other)
            message = (
                f"with network.flows[{other}] this flow connects two environments on {shared}/{port.protocol}, "
                "because the addresses of both flows can include Pods; list the networks of Pods in "
                "network.clusterCIDRs and exclude them from this flow"
            )
            yield PolicyFault(f"network.flows[{number}]", message)


def pods_among(cluster: Sequence[str]) -> Callable[[FlowEnd], bool]:
    """Return a function that says whether Pods may be among the addresses at an end of a flow.

    Pods are never outside of a known cluster.
    """
    known = Spans((addresses(cidr), 0) for cidr in cluster)
    told = {addresses(cidr).kind for cidr in cluster}

    def may_be_pods(end: FlowEnd) -> bool:
        if end.is_outside:
            return not cluster
        spans = {cidr: addresses(cidr) for cidr in end.cidrs}
        # If no setting gives the networks, only a list of all addresses is certain to include Pods.
        untold = [cidr for cidr, span in spans.items() if span.kind not in told]
        return any(map(known.meeting, spans.values())) or spans_everything(untold)

    return may_be_pods
