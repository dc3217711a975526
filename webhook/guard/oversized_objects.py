"""Requests whose objects are too large to be read: they have one violation under each rule that would check them.

The modes of the rules then decide, as for objects above a size limit (webhook.guard.size_limits). Objects that are protected in every
mode, such as catflap's policies and namespace labels, are refused.
"""

from webhook.guard.binding import binding_decision
from webhook.guard.exemption import OWN_ACCOUNT, break_glass_reason, exempt_namespace_reason
from webhook.guard.message import refusal
from webhook.guard.policy_file import NOT_POLICY_FILE, judge_deletion
from webhook.guard.policy_protection import permission_reason, protect_own_policies
from webhook.guard.size_limits import subject_types
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
from webhook.model.rule import Violation
from webhook.model.workload import reference


def judge_oversized(
    request: Request, policy: GuardPolicy, *, own_namespace: str, own_accounts: Identities, exempted: Reason | None
) -> Decision | None:
    """Return the decision on a request whose object is not read; None where the rules decide.

    `exempted` is the reason why this user is exempt from every rule; None if not exempt.
    """
    target = request.target
    resource, namespace = (target.group, target.resource), target.namespace
    if resource == NAMESPACES:
        passed = OWN_ACCOUNT if request.user.name in own_accounts else break_glass_reason(request.user, policy)
        return protected_denial(request, "guard-labels", "metadata.labels", passed=passed)
    if resource == CONFIGMAPS:
        return judge_oversized_policy_file(request, policy, own_namespace)
    if reason := exempt_namespace_reason(namespace, policy, own_namespace):
        return Decision(reason)
    if resource in POLICY_RESOURCES:
        return judge_oversized_network_policy(request, policy, own_accounts)
    return judge_oversized_workload(request, policy, exempted)


def judge_oversized_workload(request: Request, policy: GuardPolicy, exempted: Reason | None) -> Decision | None:
    """Return the decision on a binding or on an object that no rule checks; None if the rules decide."""
    target = request.target
    if (target.group, target.resource, target.subresource) not in BINDINGS:
        why = Reason(ReasonCode.NO_RULE_APPLIES, f"no rule checks it, and {request.unread}")
        return None if subject_types(request, policy) else Decision(why)
    if exempted:
        return Decision(exempted)
    return binding_decision(request, policy, (Violation("bound-labels", "metadata.labels", request.unread),))


def judge_oversized_policy_file(request: Request, policy: GuardPolicy, own_namespace: str) -> Decision:
    """Return the decision on a ConfigMap: the policy in it cannot be read, so catflap's own is refused."""
    if request.target.namespace != own_namespace or request.target.name != POLICY_CONFIGMAP:
        return NOT_POLICY_FILE
    if request.operation is Operation.DELETE:
        return judge_deletion(request, policy)
    return protected_denial(request, "policy-file", "data")


def judge_oversized_network_policy(request: Request, policy: GuardPolicy, own_accounts: Identities) -> Decision | None:
    """Return the decision on a network policy that may be catflap's own; None if it is not."""
    if request.policy is not None:
        return protect_own_policies(request, policy, own_accounts=own_accounts)
    passed = permission_reason(request, policy, own_accounts)
    return protected_denial(request, "guard-policies", "metadata", passed=passed)


def protected_denial(request: Request, rule: str, path: str, *, passed: Reason | None = None) -> Decision:
    """Return the refusal of a protected object, or the exemption with the reason `passed`."""
    if passed:
        return Decision(passed)
    target = request.target
    faults = (Violation(rule, path, request.unread),)
    name = reference(target.kind, target.namespace, target.name)
    return Decision(Reason(ReasonCode.PROTECTED_OBJECT_NOT_READ), denied=faults, message=refusal(name, faults))
