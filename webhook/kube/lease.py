"""Leader election by a Lease: one of several replicas holds it at a time.

The client library's leader election is not used. Its lock sends requests without a timeout, so a dead peer blocks the thread for ever
while another replica takes over. A refused connection ends its thread without an error. It has no way to stop.

As in client-go, a Lease of another holder has expired once it was seen unchanged for its duration, by this machine's own clock, since
clocks differ. The duration is the one in the Lease, and at most this candidate's own: a user with write access to the Lease could
otherwise hold it for 68 years. The times in the Lease have no effect.
"""

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Any, Final

from webhook.kube import paths
from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.kube.events import micro_time
from webhook.netpol.manifest import Manifest

MOST_TRANSITIONS: Final = 2**31 - 1  # the API has an int32 for it
API_VERSION: Final = "coordination.k8s.io/v1"


class Lease:
    """One Lease for one candidate; the name of the candidate is unique."""

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
        self.holder = ""  # at the last read
        self._seen: Any = None
        self._seen_at = 0.0

    def hold(self) -> bool:
        """Acquire a free or expired Lease, or renew the own one; return whether this candidate holds it now.  Raises ApiError."""
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
        """Release the Lease where this candidate holds it, so that another one need not wait until it expires.  Raises ApiError."""
        found = self._api.get(self._path)
        spec = (found or {}).get("spec") or {}
        if found is not None and spec.get("holderIdentity") == self.candidate:
            self._write(found, {**spec, "holderIdentity": "", "renewTime": micro_time(self._now())})

    def _expired(self, spec: Json) -> bool:
        """Return whether the Lease did not change for its own duration, or for the duration of this candidate."""
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        claimed = spec.get("leaseDurationSeconds")
        believed = min(claimed, self._seconds) if isinstance(claimed, int) and claimed > 0 else self._seconds
        return self._clock() - self._seen_at > believed

    def _spec(self, before: Json) -> Json:
        """Return the spec to write; the time of acquisition and the number of transitions come from the spec before."""
        at = micro_time(self._now())
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
            if error.status == CONFLICT:  # another candidate was faster
                return False
            raise
        return True
