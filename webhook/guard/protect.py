"""Our own policies are written by us alone: who else touches one is refused, with the way that is meant for it."""

import re

from webhook.model.decision import Decision, Known, LifeWanted, Verdict
from webhook.model.kinds import CALICO_STORAGE
from webhook.model.names import CONTROLLER_ACCOUNT, MANAGED_BY, MANAGED_BY_LABEL, OUR_PREFIX, SERVER_ACCOUNT
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, PolicyObject, Request, User
from webhook.model.violation import Violation

PROTECTION = "guard-policies"  # in the place of a rule's id; it has no mode, for mode governs rules only
# Calico stores a policy of the tier `default` under that prefix (libcalico-go, model/keys.go).
POLICY_NAME = f"^(default[.])?{OUR_PREFIX}"  # read by CEL as well
OURS = re.compile(POLICY_NAME)
CALICO_SERVERS = tuple(
    f"system:serviceaccount:{space}:calico-apiserver" for space in ("calico-apiserver", "calico-system")
)

UNTOUCHED = Decision(Verdict.UNJUDGED, reason="not a policy of catflap's own")


def protect(request: Request, policy: GuardPolicy, *, own_namespace: str, known: Known) -> Decision | LifeWanted:
    """The decision on a request about a network policy."""
    assert request.policy is not None
    if not is_ours(request.policy, request.operation):
        return UNTOUCHED
    passed = may_touch(request, policy, own_namespace)
    if passed:
        return Decision(Verdict.EXEMPT, reason=passed)
    if request.operation is Operation.DELETE:
        if known.terminating is None:
            return LifeWanted(request.target.namespace)
        if known.terminating:
            return Decision(Verdict.EXEMPT, reason=f"namespace {request.target.namespace} is on its way out")
    return refusal(request, policy)


def is_ours(found: PolicyObject, operation: Operation) -> bool:
    """Whether a policy bears our name, or would come to bear our label; a stray label may be deleted."""
    if OURS.match(found.name):
        return True
    if operation is Operation.DELETE:
        return False
    marked = found.labels.get(MANAGED_BY_LABEL) == MANAGED_BY
    return marked and (operation is Operation.CREATE or found.before.get(MANAGED_BY_LABEL) != MANAGED_BY)


def may_touch(request: Request, policy: GuardPolicy, own_namespace: str) -> str:
    """Why this user may touch a policy of ours; empty where they may not."""
    user = request.user
    if is_own_account(user, own_namespace):
        return "catflap's own account"
    if user.is_cleaner and request.operation is Operation.DELETE:
        return "Kubernetes removes what belongs to nothing"
    if request.target.group == CALICO_STORAGE and user.name in CALICO_SERVERS:
        return "Calico's API server stores what it was asked to"
    used = next((group for group in policy.break_glass.groups if group in user.groups), None)
    return f"break-glass: member of {used}" if used else ""


def is_own_account(user: User, own_namespace: str) -> bool:
    """Whether this is one of our two ServiceAccounts."""
    return user.name in own_accounts(own_namespace)


def own_accounts(own_namespace: str) -> tuple[str, ...]:
    """The user names of our ServiceAccounts."""
    return tuple(f"system:serviceaccount:{own_namespace}:{name}" for name in (SERVER_ACCOUNT, CONTROLLER_ACCOUNT))


def refusal(request: Request, policy: GuardPolicy) -> Decision:
    """No, and what to do instead."""
    assert request.policy is not None
    target = request.target
    verb = {Operation.CREATE: "made", Operation.UPDATE: "edited", Operation.DELETE: "deleted"}[request.operation]
    message = (
        f"{target.kind} {target.namespace}/{request.policy.name} is catflap's own and is not {verb} by anyone else"
    )
    ways = "What stays open is said in the network section of catflap's policy file."
    if policy.break_glass.groups:
        ways += f" In an emergency, members of {' or '.join(policy.break_glass.groups)} may; each use is recorded."
    fault = Violation(rule=PROTECTION, path="metadata.name", message=message)
    return Decision(Verdict.DENIED, denied=(fault,), message=f"{message}.\n{ways}")
