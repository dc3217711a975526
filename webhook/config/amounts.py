"""Lists of a policy file that are short enough each, and too long where one expression, or one object, is made from all of them.

The API server would refuse that one, and go on with what it had before (webhook.model.limits).
"""

from collections.abc import Iterator

from webhook.config.faults import PolicyFault
from webhook.model.limits import MOST_ACCOUNTS, MOST_NAMESPACE_LABELS, MOST_NAMESPACES
from webhook.model.policy import ALWAYS_RESERVED, GuardPolicy


def amounts(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Each that is too much, with the path of what they are in together."""
    spaces, claims = policy.namespaces, [role.claim for role in policy.roles.values()]
    named = sum(len(one.names) for one in spaces.overrides)
    yield from beyond("namespaces.overrides", named, "names in all of them", MOST_NAMESPACES, "a prefix")
    given = "names and prefixes here and in claims, exceptions and accounts"
    own_words = {*policy.reserved_namespace_names}.difference(
        ALWAYS_RESERVED
    )  # a handful more makes no expression too long
    yield from beyond("namespaces", len(own_words), given, MOST_NAMESPACES, "a prefix")
    labels = sum(len(one.labels) for one in spaces.overrides)
    yield from beyond("namespaces.overrides", labels, "labels in all of them", MOST_NAMESPACE_LABELS, "one label")
    claimed = sum(len(claim.namespaces) for claim in claims)
    yield from beyond("roles", claimed, "namespaces in all claims", MOST_NAMESPACES, "a prefix")
    accounts = sum(len(claim.service_accounts) for claim in claims)
    yield from beyond("roles", accounts, "ServiceAccounts in all claims", MOST_ACCOUNTS, "the namespace they are in")


def beyond(path: str, count: int, what: str, most: int, instead: str) -> Iterator[PolicyFault]:
    """The fault of too many, if they are; `instead` stands for several of them."""
    if count > most:
        yield PolicyFault(path, f"{count} {what}, {most} are the most; let {instead} stand for many")
