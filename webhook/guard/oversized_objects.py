"""Requests whose objects are too large to be read: they have one violation under each rule that would check them.

The modes of the rules then decide, as for objects above a size limit (webhook.guard.size_limits). Objects that are protected in every
mode, such as catflap's policies and namespace labels, are refused.
"""

from webhook.guard.binding import binding_decision
from webhook.guard.message import refusal
from webhook.guard.policy_file import judge_deletion
from webhook.guard.policy_protection import (
    break_glass_reason,
    permission_reason,
    protect_own_policies,
    writes_for_others,
)
from webhook.guard.size_limits import subject_types
from webhook.model.decision import Decision, Verdict
from webhook.model.identity import Identities
from webhook.model.kinds import (
    BINDINGS,
    CONFIGMAPS,
    NAMESPACES,
    POLICY_RESOURCES,
)
from webhook.model.names import POLICY_CONFIGMAP
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, Request
from webhook.model.rule import Violation
from webhook.model.workload import reference


def judge_oversized(
    request: Request, policy: GuardPolicy, *, own_namespace: str, own_accounts: Identities, exempted: str
) -> Decision | None:
    """Return the decision on a request whose object is not read; None where the rules decide.

    `exempted` is the reason why this user is exempt from every rule; empty if not exempt.
    """
    target = request.target
    resource, namespace = (target.group, target.resource), target.namespace
    if resource == NAMESPACES:
        passed = (
            "catflap's own account" if request.user.name in own_accounts else break_glass_reason(request.user, policy)
        )
        return protected_denial(request, "guard-labels", "metadata.labels", passed=passed)
    if resource == CONFIGMAPS:
        return judge_oversized_policy_file(request, policy, own_namespace)
    if namespace and (policy.namespaces.exempts(namespace) or namespace == own_namespace):
        return Decision(Verdict.EXEMPT, reason=f"namespace {namespace} is exempt, or catflap's own")
    if resource in POLICY_RESOURCES:
        return judge_oversized_network_policy(request, policy, own_accounts)
    return judge_oversized_workload(request, policy, exempted)


def judge_oversized_workload(request: Request, policy: GuardPolicy, exempted: str) -> Decision | None:
    """Return the decision on a binding or on an object that no rule checks; None if the rules decide."""
    target = request.target
    if (target.group, target.resource, target.subresource) not in BINDINGS:
        is_judged = subject_types(request, policy)
        return None if is_judged else Decision(Verdict.UNJUDGED, reason=f"no rule is about it, and {request.unread}")
    if exempted:
        return Decision(Verdict.EXEMPT, reason=exempted)
    return binding_decision(request, policy, (Violation("bound-labels", "metadata.labels", request.unread),))


def judge_oversized_policy_file(request: Request, policy: GuardPolicy, own_namespace: str) -> Decision:
    """Return the decision on a ConfigMap: the policy in it cannot be read, so catflap's own is refused."""
    if request.target.namespace != own_namespace or request.target.name != POLICY_CONFIGMAP:
        return Decision(Verdict.UNJUDGED, reason="no policy file of catflap's")
    if request.operation is Operation.DELETE:
        return judge_deletion(request, policy)
    return protected_denial(request, "policy-file", "data")


def judge_oversized_network_policy(request: Request, policy: GuardPolicy, own_accounts: Identities) -> Decision | None:
    """Return the decision on a network policy that may be catflap's own; None if it is not."""
    if request.policy is not None:
        return protect_own_policies(request, policy, own_accounts=own_accounts)
    passed = permission_reason(request, policy, own_accounts)
    if writes_for_others(request.user, request.target):
        passed = passed or "Calico's API server stores what it was asked to"
    return protected_denial(request, "guard-policies", "metadata", passed=passed)


def protected_denial(request: Request, rule: str, path: str, *, passed: str = "") -> Decision:
    """Return the refusal of a protected object, or the exemption with the reason `passed`."""
    if passed:
        return Decision(Verdict.EXEMPT, reason=passed)
    target = request.target
    faults = (Violation(rule, path, request.unread),)
    name = reference(target.kind, target.namespace, target.name)
    return Decision(Verdict.DENIED, denied=faults, message=refusal(name, faults))
