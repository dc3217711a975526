"""Who is exempt from rules or protections, and which namespaces are, each with the reason for the record."""

from collections.abc import Iterable

from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import User

# These reasons do not depend on the policy file.
OWN_ACCOUNT = Reason(ReasonCode.OWN_ACCOUNT, "ServiceAccount of catflap")
STORED_BY_CALICO = Reason(ReasonCode.CALICO_STORAGE, "Calico's API server stores an object whose request was checked")
NAMESPACE_DELETED = Reason(
    ReasonCode.NAMESPACE_TERMINATING, "Kubernetes deletes the objects of a namespace that is being deleted"
)
OWNER_GONE = Reason(ReasonCode.GARBAGE_COLLECTED, "the garbage collector deletes an object whose owner does not exist")


def exemption_reason(user: User, policy: GuardPolicy) -> Reason | None:
    """Return why this user is exempt from every rule; None if not exempt."""
    return break_glass_reason(user, policy) or policy.exempt.reason(user.name, user.groups)


def break_glass_reason(user: User, policy: GuardPolicy) -> Reason | None:
    """Return the break-glass group of this user, as a reason; None if they are in none."""
    own = frozenset(user.groups)  # there may be thousands
    used = next((group for group in policy.break_glass.groups if group in own), None)
    return Reason(ReasonCode.BREAK_GLASS, f"break-glass: member of {used}") if used else None


def authorization_reason(user: User, groups: Iterable[str]) -> Reason | None:
    """Return the first of these authorized groups that the user is a member of, as a reason; None if there is none."""
    own = frozenset(user.groups)
    found = next((group for group in groups if group in own), None)
    return Reason(ReasonCode.AUTHORIZED_GROUP, f"member of {found}") if found else None


def exempt_namespace_reason(name: str, policy: GuardPolicy, own_namespace: str) -> Reason | None:
    """Return why no rule applies in a namespace of this name; None if rules apply, or if the name is empty."""
    if name and policy.namespaces.exempts(name):
        return Reason(ReasonCode.NAMESPACE_EXEMPT, f"namespace {name} is exempt")
    if name and name == own_namespace:
        return Reason(ReasonCode.OWN_NAMESPACE, f"namespace {name} is the namespace of catflap")
    return None
