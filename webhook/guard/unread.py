"""Requests whose objects are not read, as they are too large: they count as having a fault under each rule that would judge them.

The rules' modes then decide, as they do on what is too large to be judged (webhook.guard.budget). What is protected whatever the
mode, such as our policies and the labels that the guard depends on, is refused.
"""

from webhook.guard.binding import bound
from webhook.guard.budget import subjects
from webhook.guard.configuring import NOT_OURS, judge_deletion
from webhook.guard.exemption import OWN_ACCOUNT, breaks_glass, spared_namespace
from webhook.guard.message import refusal
from webhook.guard.protect import may_touch, protect
from webhook.model.decision import Decision
from webhook.model.identity import Identities
from webhook.model.kinds import (
    BINDINGS,
    CONFIGMAPS,
    NAMESPACES,
    POLICY_RESOURCES,
)
from webhook.model.names import POLICY_CONFIGMAP
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.violation import Violation
from webhook.model.workload import reference


def judge_unread(
    request: Request, policy: GuardPolicy, *, own_namespace: str, own_accounts: Identities, exempted: Reason | None
) -> Decision | None:
    """The decision on a request whose object is not read; None where the rules decide.

    `exempted` is why this user passes every rule; None where they do not.
    """
    target = request.target
    resource, namespace = (target.group, target.resource), target.namespace
    if resource == NAMESPACES:
        passed = OWN_ACCOUNT if request.user.name in own_accounts else breaks_glass(request.user, policy)
        return refused(request, "guard-labels", "metadata.labels", passed=passed)
    if resource == CONFIGMAPS:
        return judge_unread_file(request, policy, own_namespace)
    if spared := spared_namespace(namespace, policy, own_namespace):
        return Decision(spared)
    if resource in POLICY_RESOURCES:
        return judge_unread_policy(request, policy, own_accounts)
    return judge_unread_workload(request, policy, exempted)


def judge_unread_workload(request: Request, policy: GuardPolicy, exempted: Reason | None) -> Decision | None:
    """The decision on a binding, and on what no rule is about; None where the rules decide."""
    target = request.target
    if (target.group, target.resource, target.subresource) not in BINDINGS:
        why = Reason(ReasonCode.NO_RULE_APPLIES, f"no rule is about it, and {request.unread}")
        return None if subjects(request, policy) else Decision(why)
    if exempted:
        return Decision(exempted)
    return bound(request, policy, (Violation("bound-labels", "metadata.labels", request.unread),))


def judge_unread_file(request: Request, policy: GuardPolicy, own_namespace: str) -> Decision:
    """The decision on a ConfigMap: nobody can tell what policy it would hold, so ours is refused."""
    if request.target.namespace != own_namespace or request.target.name != POLICY_CONFIGMAP:
        return NOT_OURS
    if request.operation is Operation.DELETE:
        return judge_deletion(request, policy)
    return refused(request, "policy-file", "data")


def judge_unread_policy(request: Request, policy: GuardPolicy, own_accounts: Identities) -> Decision | None:
    """The decision on a network policy, which may be one of ours; None where it is not."""
    if request.policy is not None:
        return protect(request, policy, own_accounts=own_accounts)
    return refused(request, "guard-policies", "metadata", passed=may_touch(request, policy, own_accounts))


def refused(request: Request, rule: str, path: str, *, passed: Reason | None = None) -> Decision:
    """The refusal of what is protected in every mode, or why it passes."""
    if passed:
        return Decision(passed)
    target = request.target
    faults = (Violation(rule, path, request.unread),)
    name = reference(target.kind, target.namespace, target.name)
    return Decision(Reason(ReasonCode.PROTECTED_OBJECT_NOT_READ), denied=faults, message=refusal(name, faults))
