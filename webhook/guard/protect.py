"""Our own policies are written by us alone: who else touches one is refused, with the way that is meant for it."""

import re

from webhook.guard.exemption import COLLECTED, EMPTIED, OWN_ACCOUNT, STORED_BY_CALICO, breaks_glass
from webhook.model.abbreviation import listed
from webhook.model.decision import Decision
from webhook.model.identity import Identities
from webhook.model.kinds import CALICO_STORAGE
from webhook.model.names import CALICO_NAMESPACES, MANAGED_BY, MANAGED_BY_LABEL, OUR_PREFIX
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, PolicyObject, Request, Target, User
from webhook.model.violation import Violation

PROTECTION = "guard-policies"  # in the place of a rule's id; it has no mode, for mode governs rules only
# Calico stores a policy of the tier `default` under that prefix (libcalico-go, model/keys.go). Versions before 3.32 have one key
# for a policy that is stored as `knp.default.NAME` and Kubernetes' NetworkPolicy NAME, and read other prefixes alike
# (lib/backend/model/policy.go, parseLegacyPolicyName). CEL reads this as well, so it is of RE2.
POLICY_NAME = f"^((default|knp|kcnp|ossg|staged)[.])*{OUR_PREFIX}"
OURS = re.compile(POLICY_NAME)
CALICO_SERVERS = tuple(f"system:serviceaccount:{space}:calico-apiserver" for space in CALICO_NAMESPACES)

UNTOUCHED = Decision(Reason(ReasonCode.FOREIGN_POLICY_DELETED, "not a policy of catflap's own"))


def protect(request: Request, policy: GuardPolicy, *, own_accounts: Identities) -> Decision | None:
    """The decision on a request about a network policy; None where it is none of ours.

    A namespace that is being deleted is no exception: its Pods run until their finalizers and grace periods end, and the API
    server takes no new policy there. Only what Kubernetes itself removes goes (`may_touch`).
    """
    passed = may_touch(request, policy, own_accounts)
    if not is_ours(request):
        if passed and writes_for_others(request.user, request.target):
            return Decision(passed)
        return UNTOUCHED if request.operation is Operation.DELETE else None
    return Decision(passed) if passed else refusal(request, policy)


def is_ours(request: Request) -> bool:
    """Whether a policy bears our name, also where Calico reads it, or would come to bear our label.

    A stray label may be deleted.
    """
    assert request.policy is not None
    if OURS.match(request.policy.name) or OURS.match(request.policy.stored_name):
        return True
    return request.operation is not Operation.DELETE and marked(request.policy) and not marked(request.policy_before)


def marked(found: PolicyObject | None) -> bool:
    """Whether a policy bears our label."""
    return found is not None and found.labels.get(MANAGED_BY_LABEL) == MANAGED_BY


def writes_for_others(user: User, target: Target) -> bool:
    """Whether this is Calico's API server, which stores what it was asked to, and what we judged then."""
    return target.group == CALICO_STORAGE and user.name in CALICO_SERVERS


def may_touch(request: Request, policy: GuardPolicy, own_accounts: Identities) -> Reason | None:
    """Why this user may touch a policy of ours; None where they may not."""
    user = request.user
    if user.name in own_accounts:
        return OWN_ACCOUNT
    if user.is_cleaner and request.operation is Operation.DELETE:
        return EMPTIED if user.empties_namespaces else COLLECTED
    if writes_for_others(user, request.target):
        return STORED_BY_CALICO
    return breaks_glass(user, policy)


def refusal(request: Request, policy: GuardPolicy) -> Decision:
    """No, and what to do instead."""
    assert request.policy is not None
    verb = {Operation.CREATE: "made", Operation.UPDATE: "edited", Operation.DELETE: "deleted"}[request.operation]
    message = f"{request.policy.reference} is catflap's own and is not {verb} by anyone else"
    ways = "What stays open is said in the network section of catflap's policy file."
    if policy.break_glass.groups:
        ways += (
            f" In an emergency, members of {listed(policy.break_glass.groups, joint=' or ')} may; each use is recorded."
        )
    fault = Violation(rule=PROTECTION, path="metadata.name", message=message)
    return Decision(Reason(ReasonCode.POLICY_PROTECTED), denied=(fault,), message=f"{message}.\n{ways}")
