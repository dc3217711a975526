"""The labels and the names of namespaces that the guard hangs on are given by those alone whom the policy file names."""

from collections.abc import Iterator, Mapping

from webhook.guard.exemption import OWN_ACCOUNT, authorized, breaks_glass
from webhook.guard.message import refusal
from webhook.model.abbreviation import listed, shortened
from webhook.model.decision import Decision
from webhook.model.fields import fits
from webhook.model.identity import Identities
from webhook.model.names import GUARD_LABEL
from webhook.model.nearness import nearest
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.violation import Violation
from webhook.model.workload import label_field, reference

PROTECTION = "guard-labels"  # in the place of a rule's id; it has no mode, for mode governs rules only

PASSED = Decision(Reason(ReasonCode.NO_VIOLATION))


def guard_labels(request: Request, policy: GuardPolicy, *, own_namespace: str, own_accounts: Identities) -> Decision:
    """The decision on a namespace's CREATE or UPDATE, by whichever subresource.

    The stamp of a new namespace is not asked about: our own mutating phase writes it, and it only ever adds. Who may
    label an older one is who may adopt it; who may change an environment is who may open one to another; and who makes a
    namespace under a name that is exempt, or that has a role to itself, takes that right.
    """
    assert request.namespace is not None
    name, before = request.namespace.name, request.namespace_before.labels if request.namespace_before else {}
    touched = list(changes(request, policy, before))
    given = (*policy.given_names, own_namespace)
    reserved = request.operation is Operation.CREATE and any(fits(pattern, name) for pattern in given)
    if not (touched or reserved):
        return PASSED
    passed = breaks_glass(request.user, policy)
    if request.user.name in own_accounts:
        passed = OWN_ACCOUNT
    by_label = passed or authorized(request.user, policy.namespaces.labelled_by)
    by_name = passed or authorized(request.user, policy.namespaces.reserved.groups)
    faults = tuple(unknown(request.namespace.labels, policy, touched))
    if not by_label:
        groups = listed(policy.namespaces.labelled_by, joint=" or ") or "nobody"
        faults += tuple(
            fault(key, f"only members of {groups} set, change or remove it (namespaces.labelledBy)") for key in touched
        )
    if reserved and not by_name:
        groups = listed(policy.namespaces.reserved.groups, joint=" or ") or "nobody"
        message = (
            f"rules hold otherwise in {shortened(name)}: only members of {groups} make it (namespaces.reserved.groups)"
        )
        faults += (Violation(rule=PROTECTION, path="metadata.name", message=message),)
    if faults:
        message = refusal(reference("Namespace", "", name), faults)
        return Decision(Reason(ReasonCode.NAMESPACE_PROTECTED), denied=faults, message=message)
    passed = by_label if touched else by_name
    assert passed is not None  # there would be a fault
    return Decision(passed)


def changes(request: Request, policy: GuardPolicy, before: Mapping[str, str]) -> Iterator[str]:
    """The guarded labels that a request sets, changes or removes."""
    assert request.namespace is not None
    after = request.namespace.labels
    keys = [] if request.operation is Operation.CREATE else [GUARD_LABEL]
    keys += policy.namespaces.guarded_labels
    yield from (key for key in keys if after.get(key) != before.get(key))


def unknown(labels: Mapping[str, str], policy: GuardPolicy, touched: list[str]) -> Iterator[Violation]:
    """The environment that is none of those there are."""
    environment = policy.namespaces.environment
    value = labels.get(environment.label)
    if environment.one_of and environment.label in touched and value is not None and value not in environment.one_of:
        meant = nearest(value, environment.one_of)
        hint = f" (did you mean {meant!r}?)" if meant else ""
        known = listed(environment.one_of)
        yield fault(
            environment.label, f"no environment is called {shortened(value)!r}{hint}; the environments are {known}"
        )


def fault(key: str, message: str) -> Violation:
    """What is wrong with one label."""
    return Violation(rule=PROTECTION, path=f"metadata.labels{label_field(key)}", message=message)
