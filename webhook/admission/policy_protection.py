"""Protection of catflap's network policies: changes by other users are refused, with a hint at the policy file."""

import re

from webhook.admission.caller import NAMESPACE_DELETED, OWNER_GONE, STORED_BY_CALICO, Caller
from webhook.model.abbreviation import listed
from webhook.model.decision import Decision, not_read
from webhook.model.kinds import CALICO_STORAGE
from webhook.model.names import CALICO_NAMESPACES, MANAGED_BY, MANAGED_BY_LABEL, POLICY_NAME_PREFIX
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, PolicyObject, Request, Target, User
from webhook.model.rule import Violation

PROTECTION = "guard-policies"  # reported instead of a rule id; it has no mode, because modes are for rules
# Calico stores a policy of the tier `default` under that prefix (libcalico-go, model/keys.go). Versions before 3.32 have one key
# for a policy that is stored as `knp.default.NAME` and Kubernetes' NetworkPolicy NAME, and read other prefixes alike
# (lib/backend/model/policy.go, parseLegacyPolicyName). CEL reads this as well, so it is of RE2.
OWN_NAME_PATTERN = f"^((default|knp|kcnp|ossg|staged)[.])*{POLICY_NAME_PREFIX}"
OWN_NAME = re.compile(OWN_NAME_PATTERN)
CALICO_SERVERS = tuple(f"system:serviceaccount:{space}:calico-apiserver" for space in CALICO_NAMESPACES)

UNTOUCHED = Decision(Reason(ReasonCode.FOREIGN_POLICY_DELETED, "not a network policy of catflap"))


def protect_own_policies(request: Request, caller: Caller, policy: GuardPolicy) -> Decision | None:
    """Return the decision on a request for a network policy; None if the policy is not catflap's.

    A policy whose name and labels are not read may be catflap's.

    Policies of a terminating namespace are protected too: its Pods run until their finalizers and grace periods end, and the API
    server accepts no new policy there. Only Kubernetes itself may remove them (`permission_reason`).
    """
    passed = permission_reason(request, caller)
    if request.policy is None:
        return Decision(passed) if passed else not_read(PROTECTION, "metadata", request.unread)
    if not is_own_policy(request):
        if passed and writes_for_others(request.user, request.target):
            return Decision(passed)
        return UNTOUCHED if request.operation is Operation.DELETE else None
    return Decision(passed) if passed else policy_denial(request, policy)


def is_own_policy(request: Request) -> bool:
    """Return whether a policy has a name of catflap, also as Calico reads it, or would get catflap's label.

    A user may delete a policy that has only the label.
    """
    assert request.policy is not None
    if OWN_NAME.match(request.policy.name) or OWN_NAME.match(request.policy.stored_name):
        return True
    return (
        request.operation is not Operation.DELETE
        and has_managed_by_label(request.policy)
        and not has_managed_by_label(request.policy_before)
    )


def has_managed_by_label(found: PolicyObject | None) -> bool:
    """Return whether a policy has catflap's label."""
    return found is not None and found.labels.get(MANAGED_BY_LABEL) == MANAGED_BY


def writes_for_others(user: User, target: Target) -> bool:
    """Return whether this is Calico's API server storing an object whose request catflap has already checked."""
    return target.group == CALICO_STORAGE and user.name in CALICO_SERVERS


def permission_reason(request: Request, caller: Caller) -> Reason | None:
    """Return why this user may change a policy of catflap; None if they may not."""
    user = request.user
    if caller.own:
        return caller.own
    if user.is_object_deleter and request.operation is Operation.DELETE:
        return NAMESPACE_DELETED if user.is_namespace_deleter else OWNER_GONE
    if writes_for_others(user, request.target):
        return STORED_BY_CALICO
    return caller.break_glass


def policy_denial(request: Request, policy: GuardPolicy) -> Decision:
    """Return the refusal, with what to do instead."""
    assert request.policy is not None
    verb = {Operation.CREATE: "create", Operation.UPDATE: "edit", Operation.DELETE: "delete"}[request.operation]
    message = f"{request.policy.reference} belongs to catflap: users may not {verb} it"
    ways = "To allow connections, change the section network of the policy file."
    if policy.break_glass.groups:
        ways += (
            f" In an emergency, members of {listed(policy.break_glass.groups, joint=' or ')} may do this; each use "
            "is recorded."
        )
    fault = Violation(rule=PROTECTION, path="metadata.name", message=message)
    return Decision(Reason(ReasonCode.POLICY_PROTECTED), denied=(fault,), message=f"{message}.\n{ways}")
