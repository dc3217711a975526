"""Protection of catflap's network policies: changes by other users are refused, with a hint at the policy file."""

import re

from webhook.model.abbreviation import listed
from webhook.model.decision import Decision, Verdict
from webhook.model.identity import Identities
from webhook.model.kinds import CALICO_STORAGE
from webhook.model.names import CALICO_NAMESPACES, MANAGED_BY, MANAGED_BY_LABEL, POLICY_NAME_PREFIX
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, PolicyObject, Request, Target, User
from webhook.model.rule import Violation

PROTECTION = "guard-policies"  # reported instead of a rule id; it has no mode, because modes are for rules
# Calico stores a policy of the tier `default` under that prefix (libcalico-go, model/keys.go). Versions before 3.32 have one key
# for a policy that is stored as `knp.default.NAME` and Kubernetes' NetworkPolicy NAME, and read other prefixes alike
# (lib/backend/model/policy.go, parseLegacyPolicyName). CEL reads this as well, so it is of RE2.
OWN_NAME_PATTERN = f"^((default|knp|kcnp|ossg|staged)[.])*{POLICY_NAME_PREFIX}"
OWN_NAME = re.compile(OWN_NAME_PATTERN)
CALICO_SERVERS = tuple(f"system:serviceaccount:{space}:calico-apiserver" for space in CALICO_NAMESPACES)

UNTOUCHED = Decision(Verdict.UNJUDGED, reason="not a policy of catflap's own")


def protect_own_policies(request: Request, policy: GuardPolicy, *, own_accounts: Identities) -> Decision | None:
    """Return the decision on a request for a network policy; None if the policy is not catflap's.

    Policies of a terminating namespace are protected too: its Pods run until their finalizers and grace periods end, and the API
    server accepts no new policy there. Only Kubernetes itself may remove them (`permission_reason`).
    """
    passed = permission_reason(request, policy, own_accounts)
    if not is_own_policy(request):
        if writes_for_others(request.user, request.target):
            return Decision(Verdict.EXEMPT, reason=passed)
        return UNTOUCHED if request.operation is Operation.DELETE else None
    if passed:
        return Decision(Verdict.EXEMPT, reason=passed)
    return policy_denial(request, policy)


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


def permission_reason(request: Request, policy: GuardPolicy, own_accounts: Identities) -> str:
    """Return why this user may change a policy of catflap; empty if they may not."""
    user = request.user
    if user.name in own_accounts:
        return "catflap's own account"
    if user.is_object_deleter and request.operation is Operation.DELETE:
        return "Kubernetes removes what belongs to nothing"
    if writes_for_others(user, request.target):
        return "Calico's API server stores what it was asked to"
    return break_glass_reason(user, policy)


def break_glass_reason(user: User, policy: GuardPolicy) -> str:
    """Return the break-glass group of this user, as a reason; empty if they are in none."""
    own = frozenset(user.groups)  # there may be thousands
    used = next((group for group in policy.break_glass.groups if group in own), None)
    return f"break-glass: member of {used}" if used else ""


def policy_denial(request: Request, policy: GuardPolicy) -> Decision:
    """Return the refusal, with what to do instead."""
    assert request.policy is not None
    verb = {Operation.CREATE: "made", Operation.UPDATE: "edited", Operation.DELETE: "deleted"}[request.operation]
    message = f"{request.policy.reference} is catflap's own and is not {verb} by anyone else"
    ways = "What stays open is said in the network section of catflap's policy file."
    if policy.break_glass.groups:
        ways += (
            f" In an emergency, members of {listed(policy.break_glass.groups, joint=' or ')} may; each use is recorded."
        )
    fault = Violation(rule=PROTECTION, path="metadata.name", message=message)
    return Decision(Verdict.DENIED, denied=(fault,), message=f"{message}.\n{ways}")
