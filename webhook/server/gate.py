"""The gate: no Pod is stored in a guarded namespace before that namespace's default-deny policy is.

Proof is a live read whose whole spec equals the rendered one. One read is enough: a policy cannot outlive its
namespace, so its presence speaks of the namespace that stands now. No label and no digest is proof, for users can forge
both.
"""

from collections.abc import Callable
from datetime import datetime
from threading import Lock

from webhook.audit.owed import OwedRecords
from webhook.audit.record import write_record
from webhook.config.parse import Loaded
from webhook.guard.closing import is_guarded
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.namespaces import namespace, path
from webhook.kube.policies import NotAsWritten, Outcome, closes, ensure, stored
from webhook.kube.surroundings import Surroundings
from webhook.metrics import Metrics
from webhook.model.decision import Closure, ClosureWanted
from webhook.model.namespace import Namespace
from webhook.model.reason import Reason, ReasonCode
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import Birth, Manifest
from webhook.netpol.render import render
from webhook.server.announcing import Announce, mended, nobody
from webhook.server.unavailable import Unavailable

SERVER_ERRORS = 500
WRITTEN = {
    Outcome.CREATED: Reason(ReasonCode.POLICY_CREATED, "created: a Pod waits for it"),
    Outcome.REPLACED: Reason(ReasonCode.POLICY_REPLACED, "rewritten: a Pod waits for it"),
}
RESTORED = Reason(ReasonCode.POLICY_RESTORED, "restored: a Pod waits for it")
# Namespaces of which it is known that they were closed; some 300 bytes each.
MOST_REMEMBERED = 10_000


class Gate:
    """Proves that namespaces are closed, and closes those that are not.

    `cached` is the namespace as a watch last saw it. It is believed where it says that a namespace is guarded, which asks
    for a proof; a namespace that need not be closed is asked for live, as it may have been made anew.
    """

    def __init__(
        self,
        *,
        cached: Callable[[str], Json | None],
        around: Callable[[], Surroundings | None],
        records: OwedRecords,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
        announce: Announce = nobody,
    ) -> None:
        self._cached = cached
        self._around = around
        self._records = records
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._announce = announce
        self._closed_ones = ClosedOnes()

    def prove(self, api: Api, wanted: ClosureWanted, loaded: Loaded) -> Closure:
        """What is known of a namespace after looking, and after closing it where that was wanting.

        `api` brings the budget of the request. Raises Unavailable.
        """
        try:
            if not self.guards(api, wanted.namespace, loaded):
                return Closure.UNGUARDED
            if loaded.policy.network.staged:
                return Closure.STAGED
            return self._closed(api, wanted, loaded, self._surroundings())
        except ApiError as error:
            raise Unavailable(
                ReasonCode.ISOLATION_NOT_PROVEN, f"namespace {wanted.namespace} is not proven closed: {error}"
            ) from error

    def guards(self, api: Api, name: str, loaded: Loaded) -> bool:
        """Whether a namespace is to be closed.  Raises Unavailable, ApiError."""
        around = self._surroundings()
        if self._guarded(self._cached(name), loaded, around):
            return True
        live = api.get(path(name))
        if live is None:
            raise Unavailable(ReasonCode.NAMESPACE_NOT_FOUND, f"namespace {name} is not there")
        return self._guarded(live, loaded, around)

    def seen(self, name: str) -> str:
        """The uid of a namespace as the watch last saw it; empty where it has not seen it."""
        found = self._cached(name)
        return str(found["metadata"]["uid"]) if found else ""

    def _surroundings(self) -> Surroundings:
        around = self._around()
        if around is None:
            raise Unavailable(ReasonCode.CLUSTER_NOT_KNOWN, "the cluster's surroundings are not known yet")
        return around

    def _guarded(self, found: Json | None, loaded: Loaded, around: Surroundings) -> bool:
        return found is not None and is_guarded(
            namespace(found), loaded.policy, closed_since=around.closed_since, own_namespace=self._own_namespace
        )

    def _closed(self, api: Api, wanted: ClosureWanted, loaded: Loaded, around: Surroundings) -> Closure:
        engine = around.engine
        manifest = default_deny(loaded, Birth(wanted.namespace, "", loaded.digest), engine)
        try:
            if closes(stored(api, manifest), manifest):
                self._remember(wanted.namespace, loaded, manifest)
                return Closure.PROVEN
        except ApiError as error:
            # Calico's API is listed and does not answer: its own API server may be waiting for this very Pod.
            if engine is not Engine.CALICO or error.status < SERVER_ERRORS:
                raise
            engine = Engine.KUBERNETES
        if wanted.dry_run:
            return Closure.UNWRITTEN
        return self._write(api, wanted.namespace, loaded, engine)

    def _write(self, api: Api, name: str, loaded: Loaded, engine: Engine) -> Closure:
        live = api.get(path(name))
        if live is None:
            raise Unavailable(ReasonCode.NAMESPACE_NOT_FOUND, f"namespace {name} is not there")
        found: Namespace = namespace(live)
        manifest = default_deny(loaded, Birth(name, found.uid, loaded.digest), engine)
        outcome = written_by(api, manifest)
        if not closes(stored(api, manifest), manifest):
            raise Unavailable(
                ReasonCode.ISOLATION_NOT_PROVEN,
                f"namespace {name}: the policy that was written does not stand as it was",
            )
        if outcome is Outcome.UNCHANGED:  # the controller was faster
            return Closure.PROVEN
        self._metrics.policies_written.labels(outcome).inc()
        # What stood there differed; what was missing may never have been there.
        mends = outcome is Outcome.REPAIRED or self._closed_ones.had(name, found.uid, written_as(loaded, manifest))
        self._closed_ones.add(name, found.uid, written_as(loaded, manifest))
        why = RESTORED if mends else WRITTEN[outcome]
        self._records.append(write_record(manifest, why=why, policy_digest=loaded.digest, at=self._now()))
        if mends:
            self._announce(mended(manifest, outcome))
        return Closure.WRITTEN

    def _remember(self, name: str, loaded: Loaded, manifest: Manifest) -> None:
        """That a policy stood: in the namespace as it was last seen, which may be an older one of its name, but none to come."""
        if (seen := self._cached(name)) is not None:
            self._closed_ones.add(name, seen["metadata"]["uid"], written_as(loaded, manifest))


class ClosedOnes:
    """In which namespaces a policy was seen to stand: where it is missing later, somebody took it away."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, ...]] = {}
        self._lock = Lock()

    def add(self, name: str, uid: str, what: tuple[str, ...]) -> None:
        """It stands in this namespace."""
        with self._lock:
            self._seen.pop(name, None)
            self._seen[name] = (uid, *what)
            if len(self._seen) > MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]

    def had(self, name: str, uid: str, what: tuple[str, ...]) -> bool:
        """Whether it stood in this very namespace, under the same policy file and by the same engine."""
        return self._seen.get(name) == (uid, *what)


def written_as(loaded: Loaded, manifest: Manifest) -> tuple[str, ...]:
    """What makes a missing policy a lost one: under another file, or of another kind, it was never asked for."""
    return (loaded.digest, manifest["apiVersion"])


def written_by(api: Api, manifest: Manifest) -> Outcome:
    """What had to be done for a policy to stand; labels and owners that somebody adds on the way do not open it.  Raises ApiError."""
    try:
        return ensure(api, manifest)
    except NotAsWritten as error:
        if closes(error.found, manifest):
            return Outcome.REPAIRED
        raise


def default_deny(loaded: Loaded, birth: Birth, engine: Engine) -> Manifest:
    """The one policy that closes a namespace: the first of those rendered."""
    return render(loaded.policy, birth, engine)[0]
