"""The user of a request, with the rights that the policy file gives, each with the reason for the record."""

from collections.abc import Iterable

from msgspec import Struct

from webhook.model.identity import Identities
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import User

OWN_ACCOUNT = Reason(ReasonCode.OWN_ACCOUNT, "ServiceAccount of catflap")
# Rights of Kubernetes' and Calico's own accounts, which do not depend on the policy file.
NAMESPACE_DELETED = Reason(
    ReasonCode.NAMESPACE_TERMINATING, "Kubernetes deletes the objects of a namespace that is being deleted"
)
OWNER_GONE = Reason(ReasonCode.GARBAGE_COLLECTED, "the garbage collector deletes an object whose owner does not exist")
STORED_BY_CALICO = Reason(ReasonCode.CALICO_STORAGE, "Calico's API server stores an object whose request was checked")


class Caller(Struct, frozen=True):
    """The rights of a user, each None if the user does not have it.

    `own` is the right of catflap's accounts, `break_glass` the right of the break-glass groups. `exempt` exempts the user from every rule.
    """

    own: Reason | None
    break_glass: Reason | None
    exempt: Reason | None
    groups: tuple[str, ...]

    @property
    def privileged(self) -> Reason | None:
        """Return why this user may change what catflap protects; None if they may not."""
        return self.own or self.break_glass

    def member_of(self, groups: Iterable[str]) -> Reason | None:
        """Return the first of these groups that the user is a member of, as a reason; None if there is none."""
        found = first_common(groups, self.groups)
        return Reason(ReasonCode.AUTHORIZED_GROUP, f"member of {found}") if found else None


def caller_of(user: User, policy: GuardPolicy, own_accounts: Identities) -> Caller:
    """Return the rights of a user; `own_accounts` are the users that catflap acts as."""
    used = first_common(policy.break_glass.groups, user.groups)
    break_glass = Reason(ReasonCode.BREAK_GLASS, f"break-glass: member of {used}") if used else None
    return Caller(
        own=OWN_ACCOUNT if user.name in own_accounts else None,
        break_glass=break_glass,
        exempt=break_glass or policy.exempt.reason(user.name, user.groups),
        groups=user.groups,
    )


def first_common(groups: Iterable[str], own: tuple[str, ...]) -> str | None:
    """Return the first of the groups that is also among the user's own, of which there may be thousands; None if there is none."""
    known = frozenset(own)
    return next((group for group in groups if group in known), None)
