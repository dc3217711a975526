"""Settings of a policy file that are right and have no effect, or another one than their author may expect.

They are no faults: the file counts. `catflap config check` says them, as whoever writes a file reads along there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from webhook.config.enclosure import enclosed
from webhook.config.faults import PolicyFault
from webhook.config.flows import ends
from webhook.config.parse import parse
from webhook.config.reading import read
from webhook.config.spans import Span, addresses
from webhook.model.fields import fits
from webhook.model.policy import GuardPolicy

Remark = Callable[[GuardPolicy, datetime], Iterator[PolicyFault]]
NONE: Final = "none"
MOST_TOLD: Final = 20  # of one kind


def remarks_on(text: str, at: datetime) -> list[PolicyFault]:
    """Return the remarks on the text of a file at a moment, each with its place in it.

    Raises BadPolicy where the file has faults.
    """
    found = enclosed(text)
    inner = found.text if found else text
    policy, said = parse(inner).policy, read(inner)
    told = [PolicyFault(one.path, one.message, said.place(one.path)) for one in remarks(policy, at)]
    placed = [found.moved(one) for one in told] if found else told
    return sorted(placed, key=lambda one: (one.place or (0, 0), one.path))


def remarks(policy: GuardPolicy, at: datetime) -> Iterator[PolicyFault]:
    """Return what has no effect, or another one than expected, at a moment."""
    for remark in REMARKS:
        for number, one in enumerate(remark(policy, at)):
            if number == MOST_TOLD:
                yield PolicyFault("", f"and more of this kind: {one.message}")
                break
            yield one


def exceptions(policy: GuardPolicy, at: datetime) -> Iterator[PolicyFault]:
    """Return the exceptions that let nothing pass, and those that another one makes needless."""
    latest: dict[tuple[str, str], int] = {}
    for number, one in enumerate(policy.exceptions):
        known = latest.setdefault((one.rule, one.namespace), number)
        if one.until > policy.exceptions[known].until:
            latest[one.rule, one.namespace] = number
    for number, one in enumerate(policy.exceptions):
        path, last = f"exceptions[{number}]", latest[one.rule, one.namespace]
        if last != number:
            yield PolicyFault(
                path, f"exceptions[{last}] is for the same rule and namespace and ends no earlier; remove this one"
            )
            continue
        if not one.counts(at):
            yield PolicyFault(f"{path}.until", f"the exception ended on {one.until}; remove it, or write a later day")
        elif not policy.holds(one.rule):
            yield PolicyFault(f"{path}.rule", f"{one.rule} is off in every namespace, so the exception has no effect")
        elif policy.namespaces.exempts(one.namespace):
            yield PolicyFault(
                f"{path}.namespace", f"{one.namespace} is exempt from every rule, so the exception has no effect"
            )


def engine(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the settings that only policies could carry out where none are written."""
    network = policy.network
    if network.engine != NONE:
        return
    set_ = network.model_fields_set
    for name, field in type(network).model_fields.items():
        if name != "engine" and name in set_ and getattr(network, name) != field.default:
            yield PolicyFault(
                f"network.{field.alias}", "it has no effect: with network.engine: none no policies are written"
            )
    if policy.gate.freshness:
        yield PolicyFault("gate.freshness", "it has no effect: with network.engine: none no namespace is proven closed")
    if policy.namespaces.adopt not in {NONE, ()}:
        yield PolicyFault("namespaces.adopt", "it has no effect: with network.engine: none no namespace is closed")


def roles(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the roles that no flow names, where there are flows, and the roles of which nothing is said."""
    is_isolated = policy.network.engine != NONE
    pods = [end for _, end in ends(policy) if end.is_pods and is_isolated]
    named = {end.role for end in pods}
    if pods and None not in named:
        is_listed = "one_of" in policy.workloads.role.model_fields_set
        for number, role in enumerate(policy.workloads.role.one_of):
            if role not in named:
                yield PolicyFault(
                    f"workloads.role.oneOf[{number}]" if is_listed else "workloads.role.oneOf",
                    f"no flow names the role {role!r}, so its Pods reach only the name servers",
                )
    for name, particular in policy.roles.items():
        if not (particular.claim.namespaces or particular.claim.service_accounts):
            yield PolicyFault(
                f"roles.{name}", "it claims nothing and has no effect; name namespaces or serviceAccounts"
            )


def environments(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the flows between namespaces by name, which lead from one environment into another."""
    if not policy.namespaces.environment.one_of:
        return
    for number, flow in enumerate(policy.network.flows):
        spaces = {*flow.source.namespaces, *flow.to.namespaces}
        same = len(spaces) == 1 and flow.source.namespaces == flow.to.namespaces
        if spaces and not same and not flow.across and flow.source.is_pods and flow.to.is_pods:
            message = (
                f"it connects {' and '.join(sorted(spaces))} with namespaces of any environment; "
                "add across: environment, and it connects namespaces of the same environment only"
            )
            yield PolicyFault(f"network.flows[{number}]", message)


def networks(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the networks that are inside another one of the same list."""
    network = policy.network
    lists: list[tuple[str, Sequence[str]]] = [
        ("network.clusterCIDRs", network.cluster_cidrs),
        ("network.nodeCIDRs", network.node_cidrs),
    ]
    lists += [(f"{path}.cidrs", end.cidrs) for path, end in ends(policy)]
    if not isinstance(network.dns, str):
        lists += [(f"network.dns[{number}].cidrs", one.cidrs) for number, one in enumerate(network.dns)]
    for path, cidrs in lists:
        yield from inside(path, cidrs, list(map(addresses, cidrs)))


def ports(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the ports of a flow that are inside a range of the same flow, and the flows that are listed twice."""
    seen: dict[str, int] = {}
    for number, flow in enumerate(policy.network.flows):
        path = f"network.flows[{number}]"
        earlier = seen.setdefault(flow.model_dump_json(), number)
        if earlier != number:
            yield PolicyFault(path, f"it is the same as network.flows[{earlier}]; remove one of the two")
        spans = [Span(one.protocol, one.first, one.last) for one in flow.port_ranges]
        yield from inside(f"{path}.ports", flow.ports, spans)


def inside(path: str, words: Sequence[str], spans: Sequence[Span]) -> Iterator[PolicyFault]:
    """Return each range of a list that lies inside another one of it."""
    order = sorted(range(len(spans)), key=lambda one: (str(spans[one].kind), spans[one].first, -spans[one].last))
    around: int | None = None
    for one in order:
        if around is not None and spans[one].kind == spans[around].kind and spans[one].last <= spans[around].last:
            yield PolicyFault(f"{path}[{one}]", f"{words[one]} is inside {words[around]} of this list; remove it")
        else:
            around = one


def names(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the namespaces that a prefix of the same list has already, and those of an override that are exempt."""
    spaces = policy.namespaces
    lists: list[tuple[str, Sequence[str]]] = [("namespaces.reserved.prefixes", spaces.reserved.prefixes)]
    lists += [] if isinstance(spaces.adopt, str) else [("namespaces.adopt", spaces.adopt)]
    lists += [(f"roles.{name}.claim.namespaces", role.claim.namespaces) for name, role in policy.roles.items()]
    for number, override in enumerate(spaces.overrides):
        path = f"namespaces.overrides[{number}].names"
        lists.append((path, override.names))
        for place, name in enumerate(override.names):
            if not name.endswith("*") and spaces.exempts(name):
                yield PolicyFault(
                    f"{path}[{place}]", f"{name} is exempt from every rule, so the override has no effect there"
                )
    for path, patterns in lists:
        yield from covered(path, patterns)


def covered(path: str, patterns: Sequence[str]) -> Iterator[PolicyFault]:
    """Return each name or prefix that a prefix of the same list has already."""
    prefixes = {one[:-1] for one in patterns if one.endswith("*")}
    for number, pattern in enumerate(patterns):
        stem = pattern.removesuffix("*")
        longest = len(stem) - pattern.endswith("*")
        wider = next((stem[:end] for end in range(longest + 1) if stem[:end] in prefixes), None)
        if wider is not None:
            yield PolicyFault(f"{path}[{number}]", f"{pattern} is among {wider}* of this list; remove it")


def overrides(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the overrides that no namespace comes to, as an earlier one fits all of theirs."""
    earlier: list[tuple[int, tuple[str, ...], set[tuple[str, str]]]] = []
    for number, override in enumerate(policy.namespaces.overrides):
        labels = {*override.labels.items()}
        for before, patterns, wanted in earlier:
            if wanted <= labels and fitted(override.names, patterns):
                message = f"namespaces.overrides[{before}] fits all of these namespaces, and the first that fits counts"
                yield PolicyFault(f"namespaces.overrides[{number}]", message)
                break
        earlier.append((number, override.names, labels))


def fitted(names: Sequence[str], patterns: Iterable[str]) -> bool:
    """Whether each of some names is among patterns; none of either is every name."""
    patterns = tuple(patterns)
    if not patterns or not names:
        return not patterns
    return all(any(fits(pattern, name) for pattern in patterns) for name in names)


def custom(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the custom rules that judge nothing."""
    for number, rule in enumerate(policy.custom):
        if not policy.holds(rule.id):
            yield PolicyFault(f"custom[{number}]", f"the rule {rule.id} is off in every namespace")


def presets(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the networks of nodes where no preset opens anything to them."""
    if policy.network.engine != NONE and policy.network.node_cidrs and "kubelet-probes" not in policy.network.presets:
        yield PolicyFault("network.nodeCIDRs", "it has no effect without the preset kubelet-probes")


REMARKS: Final[tuple[Remark, ...]] = (
    exceptions, engine, roles, environments, networks, ports, names, overrides, custom, presets,
)  # fmt: skip
