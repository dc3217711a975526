"""Find settings of the network section that no policy uses."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from webhook.config.faults import PolicyFault
from webhook.config.flows import ends
from webhook.config.sound import Path, Remark
from webhook.config.spans import Span, Spans, addresses
from webhook.model.fields import PortRange
from webhook.model.network import FlowEnd
from webhook.model.policy import GuardPolicy

NONE: Final = "none"
MOST_COMPARED: Final = 20  # flows with the same ends
FLOWS: Final[tuple[Path, ...]] = (("network", "flows"),)


def engine(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the settings that only policies can apply, if the engine writes none."""
    network = policy.network
    if network.engine != NONE:
        return
    set_ = network.model_fields_set
    for name, field in type(network).model_fields.items():
        if name != "engine" and name in set_ and getattr(network, name) != field.default:
            yield PolicyFault(
                f"network.{field.alias}", "it has no effect: with network.engine: none catflap writes no policies"
            )
    if policy.namespaces.include_existing not in {NONE, ()}:
        yield PolicyFault(
            "namespaces.includeExisting", "it has no effect: with network.engine: none catflap isolates no namespace"
        )


def roles(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield a remark on each role that no flow names, if there are flows and each end of Pods names a role."""
    is_isolated = policy.network.engine != NONE
    pods = [end for _, end in ends(policy) if end.is_pods and is_isolated]
    named = {end.role for end in pods}
    if pods and None not in named:
        is_listed = "one_of" in policy.workloads.role.model_fields_set
        for number, role in enumerate(policy.workloads.role.one_of):
            if role not in named:
                yield PolicyFault(
                    f"workloads.role.oneOf[{number}]" if is_listed else "workloads.role.oneOf",
                    f"no flow uses the role {role!r}, so its Pods can connect to the name servers only",
                )


def environments(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on flows that connect environments by namespace name, and on a label without environments."""
    environment = policy.namespaces.environment
    if not environment.one_of:
        if environment.label != type(environment).model_fields["label"].default:
            message = "it has no effect: namespaces.environment.oneOf is empty"
            yield PolicyFault("namespaces.environment.label", message)
        return
    for number, flow in enumerate(policy.network.flows):
        spaces = {*flow.source.namespaces, *flow.to.namespaces}
        same = len(spaces) == 1 and flow.source.namespaces == flow.to.namespaces
        if spaces and not same and not flow.across and flow.source.is_pods and flow.to.is_pods:
            message = (
                f"the flow connects {' and '.join(sorted(spaces))} with namespaces of any environment; to connect "
                "namespaces of the same environment only, add across: environment"
            )
            yield PolicyFault(f"network.flows[{number}]", message)


def networks(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the networks that are inside another network of the same list."""
    network = policy.network
    yield from inside("network.clusterCIDRs", network.cluster_cidrs, [*map(addresses, network.cluster_cidrs)])
    yield from inside("network.nodeCIDRs", network.node_cidrs, [*map(addresses, network.node_cidrs)])


def servers(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the name servers, and their networks, that the list has already."""
    seen: dict[str, int] = {}
    for number, one in enumerate(() if isinstance(policy.network.dns, str) else policy.network.dns):
        path = f"network.dns[{number}]"
        if (earlier := seen.setdefault(one.model_dump_json(), number)) != number:
            yield PolicyFault(path, f"it is a duplicate of network.dns[{earlier}]; remove one of the two")
        yield from inside(f"{path}.cidrs", one.cidrs, [*map(addresses, one.cidrs)])


def ports(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the ports and networks that are inside others of the same flow."""
    for path, end in ends(policy):
        yield from inside(f"{path}.cidrs", end.cidrs, [*map(addresses, end.cidrs)])
    for number, flow in enumerate(policy.network.flows):
        yield from inside(f"network.flows[{number}].ports", flow.ports, [Span(*one) for one in flow.port_ranges])


def flows(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the flows that another flow repeats, and those for which no namespace gets a policy."""
    every = policy.network.flows
    by_ends: dict[tuple[FlowEnd, FlowEnd, str | None], list[int]] = {}
    for number, flow in enumerate(every):
        by_ends.setdefault((flow.source, flow.to, flow.across), []).append(number)
    for alike in by_ends.values():
        yield from contained({number: every[number].port_ranges for number in alike})
    for number, flow in enumerate(every):
        if not any(may_be_isolated(end, policy) for end in (flow.source, flow.to)):
            message = (
                "it has no effect: each namespace that the flow names is exempt, so catflap writes no policy "
                "for the flow"
            )
            yield PolicyFault(f"network.flows[{number}]", message)


def contained(flows: Mapping[int, Sequence[PortRange]]) -> Iterator[PolicyFault]:
    """Yield a remark on each of `flows` whose ports another one has; all of them have the same ends."""
    known = {number: Spans((one, number) for one in ranges) for number, ranges in flows.items()}
    first = list(flows)[:MOST_COMPARED]
    for number, ranges in flows.items():
        around = [one for one in first if one != number and all(map(known[one].holds, ranges))]
        same = [one for one in around if all(map(known[number].holds, flows[one]))]
        path = f"network.flows[{number}]"
        if same and same[0] < number:
            yield PolicyFault(path, f"it is a duplicate of network.flows[{same[0]}]; remove one of the two")
        elif (wider := next((one for one in around if one not in same), None)) is not None:
            yield PolicyFault(
                path, f"network.flows[{wider}] has the same ends and includes all of these ports; remove this flow"
            )


def may_be_isolated(end: FlowEnd, policy: GuardPolicy) -> bool:
    """Return whether a namespace at one end of a flow may get policies."""
    return end.is_pods and not (end.namespaces and all(map(policy.namespaces.exempts, end.namespaces)))


def inside(path: str, words: Sequence[str], spans: Sequence[Span]) -> Iterator[PolicyFault]:
    """Yield a remark on each range of a list that lies inside another range of the list."""
    order = sorted(range(len(spans)), key=lambda one: (str(spans[one].kind), spans[one].first, -spans[one].last))
    around: int | None = None
    for one in order:
        if around is not None and spans[one].kind == spans[around].kind and spans[one].last <= spans[around].last:
            yield PolicyFault(f"{path}[{one}]", f"{words[one]} is already included in {words[around]}; remove it")
        else:
            around = one


def presets(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the networks of nodes if no preset opens a way to them."""
    if policy.network.engine != NONE and policy.network.node_cidrs and "kubelet-probes" not in policy.network.presets:
        yield PolicyFault("network.nodeCIDRs", "it has no effect without the preset kubelet-probes")


REMARKS: Final[Mapping[Remark, tuple[Path, ...]]] = {
    **dict.fromkeys((engine, roles, networks, presets), ()),
    **dict.fromkeys((environments, ports, flows), FLOWS),
    servers: (("network", "dns"),),
}
