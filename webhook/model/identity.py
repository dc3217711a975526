"""User names of catflap's own processes."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from webhook.model.names import CONTROLLER_ACCOUNT, SERVER_ACCOUNT

# Longer than any user name of catflap in a certificate or a token.
LONGEST_USER: Final = 512
# One for the servers and one for the controllers, twice, while accounts are changed.
MOST_USERS: Final = 4


class Identities(Struct, frozen=True):
    """The user names of catflap's own processes, as the API server names them (SelfSubjectReview)."""

    users: tuple[str, ...] = ()

    def __contains__(self, user: str) -> bool:
        return user in self.users


def chart_accounts(own_namespace: str) -> Identities:
    """Return the two ServiceAccounts that the chart creates. They are used until the processes know their own names."""
    return Identities(
        tuple(f"system:serviceaccount:{own_namespace}:{name}" for name in (SERVER_ACCOUNT, CONTROLLER_ACCOUNT))
    )


def identities(users: Iterable[str]) -> Identities:
    """Return the identities of these users, each once, in order; names that no user of catflap can have are left out."""
    plausible = {one for one in users if one and len(one) <= LONGEST_USER and one.isprintable()}
    return Identities(tuple(sorted(plausible)[:MOST_USERS]))
