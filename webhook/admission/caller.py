"""The user of a request, with the rights that the policy file gives, each with the reason for the record."""

from collections.abc import Iterable
from functools import cached_property

from webhook.model.exemptions import first_common
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


class Caller:
    """The rights of a user, each None if the user does not have it.

    Each right is computed when a decision needs it. Most requests need none, and a user may have thousands of groups.
    """

    def __init__(self, user: User, policy: GuardPolicy, own_accounts: Identities) -> None:
        self._user = user
        self._policy = policy
        self._own_accounts = own_accounts

    @property
    def own(self) -> Reason | None:
        """Return the right of catflap's accounts."""
        return OWN_ACCOUNT if self._user.name in self._own_accounts else None

    @cached_property
    def break_glass(self) -> Reason | None:
        """Return the right of the break-glass groups."""
        used = first_common(self._policy.break_glass.groups, self._user.groups)
        return Reason(ReasonCode.BREAK_GLASS, f"break-glass: member of {used}") if used else None

    @cached_property
    def exempt(self) -> Reason | None:
        """Return why this user is exempt from every rule."""
        return self.break_glass or self._policy.exempt.reason(self._user.name, self._user.groups)

    @property
    def privileged(self) -> Reason | None:
        """Return why this user may change what catflap protects; None if they may not."""
        return self.own or self.break_glass

    def member_of(self, groups: Iterable[str]) -> Reason | None:
        """Return the first of these groups that the user is a member of, as a reason; None if there is none."""
        found = first_common(groups, self._user.groups)
        return Reason(ReasonCode.AUTHORIZED_GROUP, f"member of {found}") if found else None
