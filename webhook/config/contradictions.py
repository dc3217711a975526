"""What a policy file says in two places that do not go together, or that an engine cannot say.

Told when the file is read: by the time policies are written, nobody reads along.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_network
from itertools import product

from webhook.config.custom import custom
from webhook.config.faults import PolicyFault, suggestion, unknown_rule
from webhook.model.fields import PortRange, namespace_name, port_range
from webhook.model.kinds import BY_KIND, BY_RESOURCE, POLICIES_BY_KIND, POLICY_RESOURCES
from webhook.model.names import GUARD_LABEL, NAMESPACE_NAME, ROLE_PREFIX
from webhook.model.network import OUTSIDE, Flow, FlowEnd
from webhook.model.policy import GuardPolicy
from webhook.model.request import User
from webhook.model.selector import AllOf, Equals, OneOf, Selector, labels, printed
from webhook.model.traffic import Direction, spans_everything
from webhook.model.workload import Scope
from webhook.netpol.calico import rules_of, standing_net
from webhook.netpol.flows import Side, allowed, sides
from webhook.netpol.intent import Intent
from webhook.netpol.manifest import Birth
from webhook.rules import RULES

SCTP = "SCTP"
EVERYBODY = {"system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:nodes"}
IPV6 = 6
LONGEST_NAMESPACE = 63
MOST_RULES = 1024  # of one direction (projectcalico.org/v3 schema, maxItems)


def contradictions(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Every fault that a file has as a whole, each part of it being well-formed."""
    checks: Sequence[Callable[[GuardPolicy], Iterator[PolicyFault]]] = (
        kinds, roles, aliases, environments, overrides, exempt, claims, too_long, too_many, reachable, windows, presets,
        staging, net, exceptions, twin, custom,
    )  # fmt: skip
    for check in checks:
        yield from check(policy)


def ends(policy: GuardPolicy) -> Iterator[tuple[str, FlowEnd]]:
    """Each end of each flow with its path."""
    for number, flow in enumerate(policy.network.flows):
        yield f"network.flows[{number}].from", flow.source
        yield f"network.flows[{number}].to", flow.to


def kinds(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Extra kinds are none that are known, and each is listed once."""
    seen: set[tuple[str, str]] = set()
    for number, one in enumerate(policy.workloads.extra_kinds):
        path = f"workloads.extraKinds[{number}]"
        by_resource, by_kind = (one.group, one.resource), (one.group, one.kind)
        if by_resource in BY_RESOURCE or by_kind in BY_KIND:
            yield PolicyFault(path, f"{one.resource}.{one.group} is built in; remove it here")
        elif by_resource in POLICY_RESOURCES or by_kind in POLICIES_BY_KIND:
            yield PolicyFault(path, f"{one.resource}.{one.group} is a network policy, which makes no Pods")
        elif by_resource in seen or by_kind in seen:
            yield PolicyFault(path, f"{one.resource}.{one.group}, or its kind {one.kind}, is listed twice")
        seen |= {by_resource, by_kind}


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


def aliases(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Policies select by the role's own label, so it must be on the Pods."""
    role = policy.workloads.role
    if policy.network.flows and role.aliases and not policy.workloads.fill_from_aliases:
        message = f"flows select Pods by the label {role.label!r}, which a Pod with an alias alone would not get"
        yield PolicyFault("workloads.fillFromAliases", message)


def environments(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """`across: environment` needs environments, and a label that is not ours already."""
    if policy.namespaces.environment.label == GUARD_LABEL:
        yield PolicyFault("namespaces.environment.label", f"{GUARD_LABEL} says that a namespace is guarded, no more")
    for number, flow in enumerate(policy.network.flows):
        if flow.across and not policy.namespaces.environment.one_of:
            yield PolicyFault(f"network.flows[{number}].across", "namespaces.environment.oneOf names no environment")


def overrides(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Labels that tell nobody apart, or that the guard has for itself, select no namespaces."""
    for number, override in enumerate(policy.namespaces.overrides):
        path = f"namespaces.overrides[{number}].labels"
        if GUARD_LABEL in override.labels:
            yield PolicyFault(f"{path}.{GUARD_LABEL}", "it says that a namespace is guarded, no more")
        if NAMESPACE_NAME in override.labels:
            yield PolicyFault(f"{path}.{NAMESPACE_NAME}", "every namespace has it: give names instead")
        environment = policy.namespaces.environment
        value = override.labels.get(environment.label)
        if environment.one_of and value is not None and value not in environment.one_of:
            message = f"no environment is called {value!r}{suggestion(value, environment.one_of)}"
            yield PolicyFault(f"{path}.{environment.label}", message)


def exempt(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Nobody is exempt who stands for everybody: by Kubernetes' controllers everybody makes Pods."""
    for number, group in enumerate(policy.exempt.groups):
        if group in EVERYBODY or group == "system:serviceaccounts:kube-system":
            yield PolicyFault(f"exempt.groups[{number}]", f"with {group} exempt, no rule would hold for anybody")
    for number, group in enumerate(policy.break_glass.groups):
        if group in EVERYBODY:
            yield PolicyFault(f"breakGlass.groups[{number}]", f"{group} is everybody: an emergency is for a few")
    for number, user in enumerate(policy.exempt.users):
        if User(user).is_controller:
            yield PolicyFault(f"exempt.users[{number}]", f"everybody makes Pods through {user}")
    for number, account in enumerate(policy.exempt.service_accounts):
        if User(f"system:serviceaccount:{account.replace('/', ':')}").is_controller:
            yield PolicyFault(f"exempt.serviceAccounts[{number}]", f"everybody makes Pods through {account}")


def claims(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """A role that is claimed is one of those there are."""
    known = policy.workloads.role.one_of
    for role in policy.roles:
        if role not in known:
            message = f"no role is called {role!r}{suggestion(role, known)}; the roles are {', '.join(known)}"
            yield PolicyFault(f"roles.{role}", message)


def too_long(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """What no Calico selector can name, in either engine, so that both can say the same."""
    if not isinstance(policy.network.dns, str):
        for number, server in enumerate(policy.network.dns):
            yield from unprintable(f"network.dns[{number}].namespaceLabels", labels(server.namespace_labels))
            yield from unprintable(f"network.dns[{number}].podLabels", labels(server.pod_labels))
    environment = policy.namespaces.environment
    longest = [Equals(environment.label, max(environment.one_of, key=len, default=""))]
    for path, end in ends(policy):
        yield from unprintable(path, AllOf((*longest, OneOf(NAMESPACE_NAME, end.namespaces))))


def unprintable(path: str, selector: Selector) -> Iterator[PolicyFault]:
    """The fault of a selector that cannot be printed, if it has one."""
    try:
        printed(selector)
    except ValueError as bad:
        yield PolicyFault(path, str(bad))


def too_many(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """More rules for one role, or networks outside, than Calico takes in one policy; whatever the namespace."""
    if len(policy.network.outside) > MOST_RULES:
        message = f"{len(policy.network.outside)} networks are left outside of these, {MOST_RULES} are the most"
        yield PolicyFault("network.clusterCIDRs", message)
        return
    rules: Counter[tuple[str | None, Direction]] = Counter()
    for side in sides(policy):
        if side.own.is_pods:
            rules[side.own.role, side.direction] += most_rules(side, policy)
    for (role, direction), count in rules.items():
        if count > MOST_RULES:
            message = f"{count} {direction} rules for {role or 'Pods without a role'}, Calico takes {MOST_RULES}"
            yield PolicyFault("network.flows", message)


def most_rules(side: Side, policy: GuardPolicy) -> int:
    """How many rules a flow becomes at one end, in whichever namespace; none where a selector cannot be printed."""
    environment = next(iter(policy.namespaces.environment.one_of), "")
    try:
        return sum(1 for allow in allowed(side, environment, policy) for _ in rules_of(allow))
    except ValueError:  # told by `too_long`
        return 0


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


def windows(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """What Windows nodes would skip with no more than a log line (felix/dataplane/windows/policysets)."""
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
    """Networks and ports that a Windows node does not enforce."""
    for cidr in cidrs:
        if ip_network(cidr).version == IPV6:
            yield PolicyFault(path, f"{cidr}: Windows nodes have no IPv6 policies (network.windowsNodes)")
    if any(one.protocol == SCTP for one in ports):
        yield PolicyFault(path, "SCTP: Windows nodes have none (network.windowsNodes)")


def presets(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Probes come from nodes, whose networks nobody else tells."""
    if "kubelet-probes" in policy.network.presets and not policy.network.node_cidrs:
        yield PolicyFault("network.nodeCIDRs", "the preset kubelet-probes opens the networks of nodes: name them here")


def staging(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Only Calico has staged kinds."""
    if policy.network.staged and policy.network.engine in {"kubernetes", "none"}:
        yield PolicyFault("network.staged", f"the engine {policy.network.engine!r} has no staged policies, Calico has")


def net(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """The standing net closes all namespaces but the exempt ones."""
    if not policy.network.standing_net:
        return
    if policy.network.engine in {"kubernetes", "none"}:
        message = f"the engine {policy.network.engine!r} has no GlobalNetworkPolicy, Calico has"
        yield PolicyFault("network.standingNet", message)
    if policy.namespaces.adopt != "all":
        message = "it closes every namespace, older ones too: that needs namespaces.adopt: all"
        yield PolicyFault("network.standingNet", message)
    exempt = [*policy.namespaces.exempted, "x" * LONGEST_NAMESPACE]  # our own, whatever its name
    try:
        standing_net(Intent("net"), Birth("", "", ""), exempt)
    except ValueError as bad:
        yield PolicyFault("namespaces.exempt", f"too many for network.standingNet: {bad}")


def exceptions(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Exceptions are from rules that there are."""
    known = list(dict.fromkeys([*RULES, *(rule.id for rule in policy.custom)]))
    for number, one in enumerate(policy.exceptions):
        if one.rule not in known:
            yield unknown_rule(f"exceptions[{number}].rule", one.rule, known)


def twin(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """The API server judges what Pods are made from, and nothing else."""
    if policy.twin and policy.workloads.scope is not Scope.TEMPLATE:
        yield PolicyFault("twin", f"it judges pod templates alone, and workloads.scope is {policy.workloads.scope}")
