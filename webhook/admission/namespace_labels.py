"""Protection of namespace labels and names that give privileges: only the groups of the policy file may set them."""

from collections.abc import Iterator, Mapping

from webhook.admission.caller import Caller
from webhook.model.abbreviation import listed, shortened
from webhook.model.decision import Decision, not_read
from webhook.model.fields import fits
from webhook.model.names import GUARD_LABEL
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.rule import Violation
from webhook.model.spelling import closest_word
from webhook.model.workload import label_field

PROTECTION = "guard-labels"  # reported instead of a rule id; it has no mode, because modes are for rules

ALLOWED = Decision(Reason(ReasonCode.NO_VIOLATION))


def judge_namespace(request: Request, caller: Caller, policy: GuardPolicy, *, own_namespace: str) -> Decision:
    """Return the decision on CREATE or UPDATE of a namespace, also through a subresource.

    Changing the guard label includes a namespace. Changing the environment label changes its allowed traffic. Creating an exempt name, or one
    that has a role reserved, grants privileges. Each of these needs an authorized group. The guard label of a new namespace
    needs none: catflap's mutating phase writes it, and it only adds isolation.
    """
    if request.namespace is None:
        passed = caller.privileged
        return Decision(passed) if passed else not_read(PROTECTION, "metadata.labels", request.unread)
    name, before = request.namespace.name, request.namespace_before.labels if request.namespace_before else {}
    touched = list(changed_labels(request, policy, before))
    given = (*policy.reserved_namespace_names, own_namespace)
    reserved = request.operation is Operation.CREATE and any(fits(pattern, name) for pattern in given)
    if not (touched or reserved):
        return ALLOWED
    by_label = caller.privileged or caller.member_of(policy.namespaces.labelled_by)
    by_name = caller.privileged or caller.member_of(policy.namespaces.reserved.groups)
    faults = tuple(unknown_environments(request.namespace.labels, policy, touched))
    if not by_label:
        groups = listed(policy.namespaces.labelled_by, joint=" or ") or "the break-glass groups"
        faults += tuple(
            label_violation(
                key, f"only members of {groups} may set, change or remove this label (namespaces.labelledBy)"
            )
            for key in touched
        )
    if reserved and not by_name:
        groups = listed(policy.namespaces.reserved.groups, joint=" or ") or "the break-glass groups"
        message = (
            f"the namespace name {shortened(name)} is reserved: only members of {groups} may create it "
            "(namespaces.reserved.groups)"
        )
        faults += (Violation(rule=PROTECTION, path="metadata.name", message=message),)
    if faults:
        return Decision(Reason(ReasonCode.NAMESPACE_PROTECTED), denied=faults)
    passed = by_label if touched else by_name
    assert passed is not None  # otherwise there is a violation
    return Decision(passed)


def changed_labels(request: Request, policy: GuardPolicy, before: Mapping[str, str]) -> Iterator[str]:
    """Yield the protected labels that a request sets, changes or removes."""
    assert request.namespace is not None
    after = request.namespace.labels
    keys = [] if request.operation is Operation.CREATE else [GUARD_LABEL]
    keys += policy.namespaces.protected_labels
    yield from (key for key in keys if after.get(key) != before.get(key))


def unknown_environments(labels: Mapping[str, str], policy: GuardPolicy, touched: list[str]) -> Iterator[Violation]:
    """Yield a violation if the environment label has an unknown value."""
    environment = policy.namespaces.environment
    value = labels.get(environment.label)
    if environment.one_of and environment.label in touched and value is not None and value not in environment.one_of:
        meant = closest_word(value, environment.one_of)
        hint = f" (did you mean {meant!r}?)" if meant else ""
        known = listed(environment.one_of)
        yield label_violation(
            environment.label, f"unknown environment {shortened(value)!r}{hint}; the environments are {known}"
        )


def label_violation(key: str, message: str) -> Violation:
    """Return the violation for one label."""
    return Violation(rule=PROTECTION, path=f"metadata.labels{label_field(key)}", message=message)
