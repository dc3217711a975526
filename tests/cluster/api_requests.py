"""The requests of catflap's accounts, counted from the API server's audit log."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from tests.cluster.installation import NAMESPACE, Installation

OURS: Final = f"system:serviceaccount:{NAMESPACE}:"
READS: Final = frozenset({"get", "list", "watch"})
# Requests that recur regardless of the test: leader election, the secret path and its registration, and reviews of
# accounts and rights, which change nothing.
BACKGROUND: Final = frozenset({
    "leases", "secrets", "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
    "subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectreviews",
})  # fmt: skip


class ApiRequest(NamedTuple):
    """A kind of request: the account, the purpose, and whether it was granted."""

    account: str
    verb: str
    resource: str
    granted: bool

    @property
    def writes(self) -> bool:
        """Return whether the request changes something if it is granted."""
        return self.verb not in READS


def catflap_requests(catflap: Installation, *, after: int = 0) -> list[dict[str, Any]]:
    """Yield the audit events of catflap's requests about objects, without BACKGROUND and the first `after` bytes of the log."""
    events = catflap.cluster.audit_events(after=after)
    found = (one for one in events if one["user"]["username"].startswith(OURS) and "objectRef" in one)
    return [one for one in found if one["objectRef"]["resource"] not in BACKGROUND]


def count_requests(events: Iterable[dict[str, Any]]) -> "Counter[ApiRequest]":
    """Return the number of requests of each kind."""
    return Counter(
        ApiRequest(
            event["user"]["username"].removeprefix(OURS),
            event["verb"],
            event["objectRef"]["resource"],
            granted=event["responseStatus"]["code"] < 400,
        )
        for event in events
    )


def writes(catflap: Installation, space: str, *, after: int = 0) -> list[tuple[str, str, str]]:
    """Return catflap's writes in a namespace, or to it, rejected or not: verb, resource and name, in order."""
    return [
        (event["verb"], event["objectRef"]["resource"], event["objectRef"].get("name", ""))
        for event in catflap_requests(catflap, after=after)
        if event["objectRef"].get("namespace") == space and event["verb"] not in READS
    ]
