"""Find the contradictions between parts of a policy file.

The checks run when the file is read. When catflap writes policies later, no user reads its messages.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from webhook.config.amounts import amounts
from webhook.config.custom import custom
from webhook.config.engines import default_deny, presets, staging, too_long, too_many, windows
from webhook.config.faults import PolicyFault, choices, unknown_rule
from webhook.config.flows import reachable, reserved_role, roles
from webhook.config.labels import labels
from webhook.config.sound import Check, Path
from webhook.model.fields import fits
from webhook.model.kinds import BY_KIND, BY_RESOURCE, POLICIES_BY_KIND, POLICY_RESOURCES
from webhook.model.names import GUARD_LABEL, NAMESPACE_NAME
from webhook.model.policy import GuardPolicy
from webhook.model.request import User
from webhook.model.workload import Scope
from webhook.rules import RULES

CONTROLLERS = "system:serviceaccounts:kube-system"
EVERYBODY = {"system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:nodes"}


def contradictions(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Yield every fault between the parts of a file whose parts are well-formed."""
    for check in CHECKS:
        yield from check(policy)


def kinds(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that each extra kind is unknown to this release and listed once."""
    seen: set[tuple[str, str]] = set()
    for number, one in enumerate(policy.workloads.extra_kinds):
        path = f"workloads.extraKinds[{number}]"
        by_resource, by_kind = (one.group, one.resource), (one.group, one.kind)
        if BY_RESOURCE.get(by_resource) == one.maker:
            continue  # an earlier release may lack it
        if by_resource in BY_RESOURCE or by_kind in BY_KIND:
            yield PolicyFault(path, f"{one.resource}.{one.group} is a built-in kind; remove this item")
        elif by_resource in POLICY_RESOURCES or by_kind in POLICIES_BY_KIND:
            yield PolicyFault(
                path,
                f"{one.resource}.{one.group} is a network policy, from which no Pods are created; remove this item",
            )
        elif by_resource in seen or by_kind in seen:
            yield PolicyFault(
                path, f"{one.resource}.{one.group}, or its kind {one.kind}, is a duplicate; remove one of the two"
            )
        seen |= {by_resource, by_kind}


def aliases(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that Pods with an alias alone also get the role's own label, because policies select by it."""
    role = policy.workloads.role
    if policy.network.flows and role.aliases and not policy.workloads.fill_from_aliases:
        message = (
            f"flows select Pods by the label {role.label!r}, and catflap does not add this label to Pods "
            "that have only an alias; set fillFromAliases: true"
        )
        yield PolicyFault("workloads.fillFromAliases", message)


def environments(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that `across: environment` has environments, and that their label is not catflap's own."""
    if policy.namespaces.environment.label == GUARD_LABEL:
        yield PolicyFault(
            "namespaces.environment.label", f"{GUARD_LABEL} is the label of managed namespaces; name another label"
        )
    for number, flow in enumerate(policy.network.flows):
        if flow.across and not policy.namespaces.environment.one_of:
            yield PolicyFault(
                f"network.flows[{number}].across", "namespaces.environment.oneOf is empty; list the environments there"
            )


def overrides(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that overrides select no namespaces by a label that all namespaces have or that catflap sets."""
    for number, override in enumerate(policy.namespaces.overrides):
        path = f"namespaces.overrides[{number}].labels"
        if GUARD_LABEL in override.labels:
            yield PolicyFault(f"{path}.{GUARD_LABEL}", "it is the label of managed namespaces; name another label")
        if NAMESPACE_NAME in override.labels:
            yield PolicyFault(f"{path}.{NAMESPACE_NAME}", "every namespace has this label; use names instead")
        environment = policy.namespaces.environment
        value = override.labels.get(environment.label)
        if environment.one_of and value is not None and value not in environment.one_of:
            message = f"unknown environment {value!r}{choices(value, environment.one_of, 'the environments')}"
            yield PolicyFault(f"{path}.{environment.label}", message)


def for_a_few(path: str, groups: Callable[[GuardPolicy], Iterable[str]], what: str) -> Check:
    """Return the check that a right of some groups is not given to all users; `what` describes the right."""

    def everybody(policy: GuardPolicy) -> Iterator[PolicyFault]:
        for number, group in enumerate(groups(policy)):
            if group in EVERYBODY:
                yield PolicyFault(f"{path}[{number}]", f"{group} contains all users: {what}")

    return everybody


def exempt(path: str, names: Callable[[GuardPolicy], Iterable[str]], user: Callable[[str], str]) -> Check:
    """Return the check that no exempt user makes Pods on behalf of all users.

    `user` converts a name of the list to a user name.
    """

    def makers(policy: GuardPolicy) -> Iterator[PolicyFault]:
        for number, name in enumerate(names(policy)):
            if name == CONTROLLERS or User(user(name)).is_controller:
                yield PolicyFault(f"{path}[{number}]", f"all users create Pods through {name}")

    return makers


def claims(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that each claimed role exists, and that the accounts of a claim are in its namespaces."""
    known = dict.fromkeys(policy.workloads.role.one_of)
    for name, role in policy.roles.items():
        if name not in known:
            message = f"unknown role {name!r}{choices(name, known, 'the roles')}"
            yield PolicyFault(f"roles.{name}", message)
        spaces = role.claim.namespaces
        for number, account in enumerate(role.claim.service_accounts):
            space = account.partition("/")[0]
            if spaces and not any(fits(pattern, space) for pattern in spaces):
                path = f"roles.{name}.claim.serviceAccounts[{number}]"
                yield PolicyFault(
                    path,
                    f"no Pod of {account} can have the role, because {space!r} does not match "
                    "the namespaces of the claim",
                )


def exceptions(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that each exception names an existing rule."""
    known = dict.fromkeys([*RULES, *(rule.id for rule in policy.custom)])
    for number, one in enumerate(policy.exceptions):
        if one.rule not in known:
            yield unknown_rule(f"exceptions[{number}].rule", one.rule, known)


def unjudged(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that Pods of old owners are judged if templates are not.

    Otherwise any edit of such an owner would bring Pods that no rule judges.
    """
    if policy.workloads.scope is Scope.OBJECT and policy.workloads.existing_workloads == "admit":
        message = (
            "with workloads.scope: object, catflap checks no pod template, so it must check the Pods of all "
            "owners: set this key to judge"
        )
        yield PolicyFault("workloads.existingWorkloads", message)


def validating_admission_policy(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Check that the file judges templates if the API server has a copy, because the copy judges nothing else."""
    if policy.validating_admission_policy and policy.workloads.scope is not Scope.TEMPLATE:
        yield PolicyFault(
            "validatingAdmissionPolicy",
            f"it checks only pod templates, and workloads.scope is {policy.workloads.scope}",
        )


FOR_A_FEW = (
    for_a_few("exempt.groups", lambda policy: policy.exempt.groups, "no rule would apply to any user"),
    for_a_few("breakGlass.groups", lambda policy: policy.break_glass.groups, "name groups with few members"),
    for_a_few(
        "namespaces.labelledBy",
        lambda policy: policy.namespaces.labelled_by,
        "these labels determine the rules for a namespace; name groups with few members",
    ),
    for_a_few(
        "policyFile.deletedBy",
        lambda policy: policy.policy_file.deleted_by,
        "name groups with few members",
    ),
    for_a_few(
        "namespaces.reserved.groups",
        lambda policy: policy.namespaces.reserved.groups,
        "the rules do not apply in these namespaces; name groups with few members",
    ),
)
EXEMPT = (
    exempt("exempt.groups", lambda policy: policy.exempt.groups, str),
    exempt("exempt.users", lambda policy: policy.exempt.users, str),
    exempt(
        "exempt.serviceAccounts",
        lambda policy: policy.exempt.service_accounts,
        lambda account: f"system:serviceaccount:{account.replace('/', ':')}",
    ),
)
# Map each check to the lists whose broken items it may leave out, in addition to the lists of `sound.JUDGED`.
CHECKS: Mapping[Check, tuple[Path, ...]] = {
    **dict.fromkeys((labels, roles, aliases, environments, overrides, *FOR_A_FEW, *EXEMPT, claims), ()),
    **dict.fromkeys((too_long, too_many, reachable, windows, presets, staging, default_deny, exceptions, unjudged, validating_admission_policy, amounts), ()),
    kinds: (("workloads", "extraKinds"),),
    custom: (("custom",),),
    reserved_role: (("workloads", "role", "oneOf"),),
}  # fmt: skip
