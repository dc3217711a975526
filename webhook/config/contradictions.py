"""What a policy file says in two places that do not go together.

Told when the file is read: by the time policies are written, nobody reads along.
"""

from collections.abc import Callable, Iterator, Sequence

from webhook.config.amounts import amounts
from webhook.config.custom import custom
from webhook.config.engines import net, presets, staging, too_long, too_many, windows
from webhook.config.faults import PolicyFault, suggestion, unknown_rule
from webhook.config.flows import reachable, roles
from webhook.config.labels import labels
from webhook.model.fields import fits
from webhook.model.kinds import BY_KIND, BY_RESOURCE, POLICIES_BY_KIND, POLICY_RESOURCES
from webhook.model.names import GUARD_LABEL, NAMESPACE_NAME
from webhook.model.policy import GuardPolicy
from webhook.model.request import User
from webhook.model.workload import Scope
from webhook.rules import RULES

EVERYBODY = {"system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:nodes"}


def contradictions(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Every fault that a file has as a whole, each part of it being well-formed."""
    checks: Sequence[Callable[[GuardPolicy], Iterator[PolicyFault]]] = (
        kinds, labels, roles, aliases, environments, overrides, everybody, exempt, claims, too_long, too_many, reachable,
        windows, presets, staging, net, exceptions, unjudged, twin, amounts, custom,
    )  # fmt: skip
    for check in checks:
        yield from check(policy)


def kinds(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Extra kinds are none that are known, and each is listed once."""
    seen: set[tuple[str, str]] = set()
    for number, one in enumerate(policy.workloads.extra_kinds):
        path = f"workloads.extraKinds[{number}]"
        by_resource, by_kind = (one.group, one.resource), (one.group, one.kind)
        if BY_RESOURCE.get(by_resource) == one.maker:
            continue  # an earlier release may not have had it
        if by_resource in BY_RESOURCE or by_kind in BY_KIND:
            yield PolicyFault(path, f"{one.resource}.{one.group} is built in; remove it here")
        elif by_resource in POLICY_RESOURCES or by_kind in POLICIES_BY_KIND:
            yield PolicyFault(path, f"{one.resource}.{one.group} is a network policy, which makes no Pods")
        elif by_resource in seen or by_kind in seen:
            yield PolicyFault(path, f"{one.resource}.{one.group}, or its kind {one.kind}, is listed twice")
        seen |= {by_resource, by_kind}


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


def everybody(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """What some may do is not for all."""
    spaces, emergency = policy.namespaces, policy.break_glass
    for path, groups, what in (
        ("exempt.groups", policy.exempt.groups, "no rule would hold for anybody"),
        ("breakGlass.groups", emergency.groups, "an emergency is for a few"),
        ("namespaces.labelledBy", spaces.labelled_by, "labels by which a namespace is judged are for a few to set"),
        ("policyFile.deletedBy", policy.policy_file.deleted_by, "the policy file is for a few to delete"),
        (
            "namespaces.reserved.groups",
            spaces.reserved.groups,
            "namespaces that are free of rules are for a few to make",
        ),
    ):
        for number, group in enumerate(groups):
            if group in EVERYBODY:
                yield PolicyFault(f"{path}[{number}]", f"{group} is everybody: {what}")


def exempt(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Nobody is exempt through whom everybody makes Pods: Kubernetes' controllers."""
    for number, group in enumerate(policy.exempt.groups):
        if group == "system:serviceaccounts:kube-system":
            yield PolicyFault(f"exempt.groups[{number}]", f"everybody makes Pods through {group}")
    for number, user in enumerate(policy.exempt.users):
        if User(user).is_controller:
            yield PolicyFault(f"exempt.users[{number}]", f"everybody makes Pods through {user}")
    for number, account in enumerate(policy.exempt.service_accounts):
        if User(f"system:serviceaccount:{account.replace('/', ':')}").is_controller:
            yield PolicyFault(f"exempt.serviceAccounts[{number}]", f"everybody makes Pods through {account}")


def claims(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """A role that is claimed is one of those there are, and the accounts that claim it are in its namespaces."""
    known = dict.fromkeys(policy.workloads.role.one_of)
    for name, role in policy.roles.items():
        if name not in known:
            message = f"no role is called {name!r}{suggestion(name, known)}; the roles are {', '.join(known)}"
            yield PolicyFault(f"roles.{name}", message)
        spaces = role.claim.namespaces
        for number, account in enumerate(role.claim.service_accounts):
            space = account.partition("/")[0]
            if spaces and not any(fits(pattern, space) for pattern in spaces):
                path = f"roles.{name}.claim.serviceAccounts[{number}]"
                yield PolicyFault(path, f"no Pod of {account} could have the role: {space!r} is none of its namespaces")


def exceptions(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Exceptions are from rules that there are."""
    known = dict.fromkeys([*RULES, *(rule.id for rule in policy.custom)])
    for number, one in enumerate(policy.exceptions):
        if one.rule not in known:
            yield unknown_rule(f"exceptions[{number}].rule", one.rule, known)


def unjudged(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Where templates are not judged, nobody's Pods may be admitted for their owner's age: any edit would come with it."""
    if policy.workloads.scope is Scope.OBJECT and policy.workloads.existing == "admit":
        message = "with workloads.scope object no template is judged, so Pods have to be, whatever their owner's age: set it to judge"
        yield PolicyFault("workloads.existing", message)


def twin(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """The API server judges what Pods are made from, and nothing else."""
    if policy.twin and policy.workloads.scope is not Scope.TEMPLATE:
        yield PolicyFault("twin", f"it judges pod templates alone, and workloads.scope is {policy.workloads.scope}")
