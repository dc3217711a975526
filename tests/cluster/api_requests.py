"""The requests of catflap's accounts, counted from the API server's audit log."""

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from tests.cluster.installation import NAMESPACE, Installation

OURS: Final = f"system:serviceaccount:{NAMESPACE}:"
READS: Final = frozenset({"get", "list", "watch"})
QUIET_SECONDS: Final = 2.0
# A new policy file can rewrite the policies of all namespaces that earlier tests created: some hundred.
BUSY_SECONDS: Final = 300.0
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


def wait_until_quiet(catflap: Installation) -> None:
    """Return once no controller has work and catflap has tried no write for a while; fail after BUSY_SECONDS."""
    deadline = time.monotonic() + BUSY_SECONDS
    before = -1
    while (count := sum(one["verb"] not in READS for one in catflap_requests(catflap))) != before or not idle(catflap):
        assert time.monotonic() < deadline, f"{count} writes, and more after {BUSY_SECONDS} s"
        before = count
        time.sleep(QUIET_SECONDS)


def idle(catflap: Installation) -> bool:
    """Return whether the queue of every running controller is empty."""
    running = [one for one in (catflap.controller, *catflap.replicas) if one.process.poll() is None]
    return all(b"catflap_workqueue_depth 0.0" in one.status("/metrics").body for one in running)
