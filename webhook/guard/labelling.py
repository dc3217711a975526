"""The labels of namespaces that the guard hangs on are set by those alone whom the policy file names."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from webhook.guard.message import refusal
from webhook.guard.protect import breaks_glass, is_own_account
from webhook.model.decision import Decision, Verdict
from webhook.model.names import GUARD_LABEL
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, Request
from webhook.model.violation import Violation
from webhook.model.workload import label_field

PROTECTION = "guard-labels"  # in the place of a rule's id; it has no mode, for mode governs rules only

PASSED = Decision(Verdict.ALLOWED)


def guard_labels(request: Request, policy: GuardPolicy, *, own_namespace: str) -> Decision:
    """The decision on a namespace's CREATE or UPDATE, by whichever subresource.

    The stamp of a new namespace is not asked about: our own mutating phase writes it, and it only ever adds. Who may
    label an older one is who may adopt it; who may change an environment is who may open one to another.
    """
    assert request.namespace is not None
    before = request.namespace_before.labels if request.namespace_before else {}
    touched = list(changes(request, policy, before))
    faults = tuple(unknown(request.namespace.labels, policy, touched))
    if not touched:
        return PASSED
    passed = may_label(request, policy, own_namespace)
    if not passed:
        groups = " or ".join(policy.namespaces.labelled_by) or "nobody"
        faults += tuple(
            fault(key, f"only members of {groups} set, change or remove it (namespaces.labelledBy)") for key in touched
        )
    if faults:
        message = refusal(f"Namespace {request.namespace.name}", faults)
        return Decision(Verdict.DENIED, denied=faults, message=message)
    return Decision(Verdict.EXEMPT, reason=passed)


def changes(request: Request, policy: GuardPolicy, before: Mapping[str, str]) -> Iterator[str]:
    """The guarded labels that a request sets, changes or removes."""
    assert request.namespace is not None
    after = request.namespace.labels
    keys = [] if request.operation is Operation.CREATE else [GUARD_LABEL]
    keys += [policy.namespaces.environment.label] if policy.namespaces.environment.one_of else []
    yield from (key for key in keys if after.get(key) != before.get(key))


def unknown(labels: Mapping[str, str], policy: GuardPolicy, touched: list[str]) -> Iterator[Violation]:
    """The environment that is none of those there are."""
    environment = policy.namespaces.environment
    value = labels.get(environment.label)
    if environment.label in touched and value is not None and value not in environment.one_of:
        nearest = next(iter(get_close_matches(value, environment.one_of, n=1)), None)
        hint = f" (did you mean {nearest!r}?)" if nearest else ""
        known = ", ".join(environment.one_of)
        yield fault(environment.label, f"no environment is called {value!r}{hint}; the environments are {known}")


def fault(key: str, message: str) -> Violation:
    """What is wrong with one label."""
    return Violation(rule=PROTECTION, path=f"metadata.labels{label_field(key)}", message=message)


def may_label(request: Request, policy: GuardPolicy, own_namespace: str) -> str:
    """Why this user may touch guarded labels; empty where they may not."""
    if is_own_account(request.user, own_namespace):
        return "catflap's own account"
    named = next((group for group in policy.namespaces.labelled_by if group in request.user.groups), None)
    return f"member of {named}" if named else breaks_glass(request.user, policy)
