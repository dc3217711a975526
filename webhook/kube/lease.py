"""A Lease: one of several replicas holds it at a time.

The client library's own election is not used: its lock asks without a time limit, so that a dead peer holds the thread
for ever while another replica takes over; a refused connection ends its thread without a word; and it cannot be told to
stop. What it does right is done here as well: another's Lease has expired when it was seen unchanged for a while, by this
machine's own clock, since clocks differ. That while is what its holder says, and never more than our own duration: anyone who may
write the Lease could else hold it for 68 years. No time in it is believed.
"""

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Any, Final

from webhook.kube import paths
from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.netpol.manifest import Manifest

MOST_TRANSITIONS: Final = 2**31 - 1  # the API has an int32 for it
API_VERSION: Final = "coordination.k8s.io/v1"


class Lease:
    """One Lease as one candidate sees it, under a name that no other candidate has."""

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        name: str,
        candidate: str,
        seconds: int,
        now: Callable[[], datetime],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._api = api
        self._collection = paths.collection(API_VERSION, "leases", namespace)
        self._path = paths.under(self._collection, name)
        self.identity: Manifest = {
            "apiVersion": API_VERSION,
            "kind": "Lease",
            "metadata": {"namespace": namespace, "name": name},
        }
        self.candidate = candidate
        self._seconds = seconds
        self._now = now
        self._clock = clock
        self.holder = ""  # who held it when it was last looked at
        self._seen: Any = None
        self._seen_at = 0.0

    def hold(self) -> bool:
        """Take the Lease where nobody holds it, keep it where we do; whether it is ours now.  Raises ApiError."""
        found = self._api.get(self._path)
        self.holder = ""
        if found is None:
            return self._api.create(self._collection, {**self.identity, "spec": self._spec({})}) is not None
        spec = found.get("spec") or {}
        self.holder = spec.get("holderIdentity") or ""
        if self.holder not in {"", self.candidate} and not self._expired(spec):
            return False
        return self._write(found, self._spec(spec))

    def release(self) -> None:
        """Let go of it where it is ours, so that nobody waits for its end.  Raises ApiError."""
        found = self._api.get(self._path)
        spec = (found or {}).get("spec") or {}
        if found is not None and spec.get("holderIdentity") == self.candidate:
            self._write(found, {**spec, "holderIdentity": "", "renewTime": stamp(self._now())})

    def _expired(self, spec: Json) -> bool:
        """Whether the holder was silent for as long as they said they would be at most, or for as long as we would be."""
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        claimed = spec.get("leaseDurationSeconds")
        believed = min(claimed, self._seconds) if isinstance(claimed, int) and claimed > 0 else self._seconds
        return self._clock() - self._seen_at > believed

    def _spec(self, before: Json) -> Json:
        """What a Lease of ours says; of what it said, when we took it and how often it changed hands."""
        at = stamp(self._now())
        ours = before.get("holderIdentity") == self.candidate
        changes = before.get("leaseTransitions") or 0
        if not ours and before.get("renewTime"):
            changes += 1
        return {
            "acquireTime": (before.get("acquireTime") if ours else None) or at,
            "holderIdentity": self.candidate,
            "leaseDurationSeconds": self._seconds,
            "renewTime": at,
            "leaseTransitions": changes if 0 <= changes <= MOST_TRANSITIONS else 0,
        }

    def _write(self, found: Json, spec: Json) -> bool:
        try:
            self._api.replace(self._path, {**found, "spec": spec})
        except ApiError as error:
            if error.status == CONFLICT:  # somebody else was faster
                return False
            raise
        return True


def stamp(at: datetime) -> str:
    """A time as Leases have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
