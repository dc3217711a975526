"""Who passes rules or protections, and where no rule holds: each with the reason that its record has."""

from collections.abc import Iterable

from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import User

# Whatever the policy file says.
OWN_ACCOUNT = Reason(ReasonCode.OWN_ACCOUNT, "catflap's own account")
STORED_BY_CALICO = Reason(ReasonCode.CALICO_STORAGE, "Calico's API server stores what it was asked to")
EMPTIED = Reason(ReasonCode.NAMESPACE_TERMINATING, "Kubernetes removes what is in a namespace that is being deleted")
COLLECTED = Reason(ReasonCode.GARBAGE_COLLECTED, "Kubernetes removes what belongs to nothing")


def exempted(user: User, policy: GuardPolicy) -> Reason | None:
    """Why this user passes every rule; None where they do not."""
    return breaks_glass(user, policy) or policy.exempt.reason(user.name, user.groups)


def breaks_glass(user: User, policy: GuardPolicy) -> Reason | None:
    """By which group this user may act in an emergency; None where by none."""
    own = frozenset(user.groups)  # there may be thousands
    used = next((group for group in policy.break_glass.groups if group in own), None)
    return Reason(ReasonCode.BREAK_GLASS, f"break-glass: member of {used}") if used else None


def authorized(user: User, groups: Iterable[str]) -> Reason | None:
    """By which of these groups, which the policy file lets do something, this user may do it; None where by none."""
    own = frozenset(user.groups)
    found = next((group for group in groups if group in own), None)
    return Reason(ReasonCode.AUTHORIZED_GROUP, f"member of {found}") if found else None


def spared_namespace(name: str, policy: GuardPolicy, own_namespace: str) -> Reason | None:
    """Why no rule holds in a namespace of this name; None where rules hold, and of what is in no namespace."""
    if name and policy.namespaces.exempts(name):
        return Reason(ReasonCode.NAMESPACE_EXEMPT, f"namespace {name} is exempt")
    if name and name == own_namespace:
        return Reason(ReasonCode.OWN_NAMESPACE, f"namespace {name} is catflap's own")
    return None
