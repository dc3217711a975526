"""Check lists whose sum exceeds what one expression or one object can hold, although each list is short enough.

The API server would refuse that expression or object and would keep the earlier one (webhook.model.limits).
"""

from collections.abc import Iterator

from webhook.config.faults import PolicyFault
from webhook.model.limits import MOST_ACCOUNTS, MOST_NAMESPACE_LABELS, MOST_NAMESPACES
from webhook.model.policy import ALWAYS_RESERVED, GuardPolicy


def amounts(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Yield a fault for each excessive sum, with the path that the counted lists share."""
    spaces, claims = policy.namespaces, [role.claim for role in policy.roles.values()]
    named = sum(len(one.names) for one in spaces.overrides)
    yield from beyond("namespaces.overrides", named, "names in all of them", MOST_NAMESPACES, "a prefix")
    given = "names and prefixes here and in claims, exceptions and accounts"
    own_words = {*policy.reserved_namespace_names}.difference(
        ALWAYS_RESERVED
    )  # more of these make no expression too long
    yield from beyond("namespaces", len(own_words), given, MOST_NAMESPACES, "a prefix")
    labels = sum(len(one.labels) for one in spaces.overrides)
    yield from beyond("namespaces.overrides", labels, "labels in all of them", MOST_NAMESPACE_LABELS, "one label")
    claimed = sum(len(claim.namespaces) for claim in claims)
    yield from beyond("roles", claimed, "namespaces in all claims", MOST_NAMESPACES, "a prefix")
    accounts = sum(len(claim.service_accounts) for claim in claims)
    yield from beyond("roles", accounts, "ServiceAccounts in all claims", MOST_ACCOUNTS, "the namespace they are in")


def beyond(path: str, count: int, what: str, most: int, instead: str) -> Iterator[PolicyFault]:
    """Yield a fault if `count` exceeds `most`; `instead` names what can replace several of the items."""
    if count > most:
        yield PolicyFault(path, f"{count} {what}; the limit is {most}; replace several items with {instead}")
