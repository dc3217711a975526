"""The isolation gate: a Pod is stored in a managed namespace only after that namespace's default-deny policy.

The gate verifies a namespace by a live read of the policy, whose whole spec must equal the rendered one. One read is enough: a
policy cannot outlive its namespace, so it belongs to the namespace that exists now. Labels and digests do not verify
anything, as users can forge both. The caller limits the time of a verification (webhook.server.cluster_lookup).
"""

from collections.abc import Callable
from datetime import datetime
from threading import Lock

from webhook.admission.isolation import is_managed
from webhook.audit.record import write_record
from webhook.audit.retry_queue import RetryQueue
from webhook.config.parse import Loaded
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.cluster_info import ClusterInfo
from webhook.kube.namespaces import namespace_path, parse_namespace
from webhook.kube.policies import PolicyAlteredError, WriteOutcome, ensure_policy, matches_spec, read_stored
from webhook.metrics import Metrics
from webhook.model.namespace import Namespace
from webhook.model.reason import Reason, ReasonCode
from webhook.model.steps import IsolationLookup, IsolationStatus
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import Manifest, RenderTarget
from webhook.netpol.render import render_default_deny
from webhook.server.event_recorder import RecordEvent, discard_event, repaired_event
from webhook.server.unavailable import Unavailable

MIN_SERVER_ERROR = 500
WRITTEN = {
    WriteOutcome.CREATED: Reason(ReasonCode.POLICY_CREATED, "created: a Pod waits for the policy"),
    WriteOutcome.REPLACED: Reason(ReasonCode.POLICY_REPLACED, "rewritten: a Pod waits for the policy"),
}
RESTORED = Reason(ReasonCode.POLICY_RESTORED, "restored: a Pod waits for the policy")
# Namespaces that are known to have been isolated; about 300 bytes each.
MAX_REMEMBERED = 10_000


class IsolationGate:
    """Verifies that namespaces are isolated, and isolates those that are not.

    `cached_namespace` returns a namespace as a watch last saw it. The gate relies on a cached namespace only where that is managed, because
    a verification follows then. Otherwise the gate reads the namespace live, as it may have been deleted and created again.
    """

    def __init__(
        self,
        *,
        cached_namespace: Callable[[str], Json | None],
        cluster_info: Callable[[], ClusterInfo | None],
        records: RetryQueue,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
        record_event: RecordEvent = discard_event,
    ) -> None:
        self._cached_namespace = cached_namespace
        self._cluster_info = cluster_info
        self._records = records
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._record_event = record_event
        self._isolated = IsolatedNamespaces()

    def verify(self, api: Api, wanted: IsolationLookup, loaded: Loaded) -> IsolationStatus:
        """Return the isolation of a namespace, after writing its default-deny policy where that was missing or different.

        `api` carries the time limit of the request. Raises Unavailable.
        """
        try:
            if not self.is_managed(api, wanted.namespace, loaded):
                return IsolationStatus.UNGUARDED
            if loaded.policy.network.staged:
                return IsolationStatus.STAGED
            return self._verify_default_deny(api, wanted, loaded, self._require_cluster_info())
        except ApiError as error:
            raise Unavailable(
                ReasonCode.ISOLATION_NOT_PROVEN, f"cannot verify the isolation of namespace {wanted.namespace}: {error}"
            ) from error

    def is_managed(self, api: Api, name: str, loaded: Loaded) -> bool:
        """Return whether catflap manages a namespace; raises Unavailable and ApiError."""
        cluster_info = self._require_cluster_info()
        if self._is_managed(self._cached_namespace(name), loaded, cluster_info):
            return True
        live = api.get(namespace_path(name))
        if live is None:
            raise Unavailable(ReasonCode.NAMESPACE_NOT_FOUND, f"namespace {name} does not exist")
        return self._is_managed(live, loaded, cluster_info)

    def cached_uid(self, name: str) -> str:
        """Return the uid of a namespace in the watch's cache, or an empty string."""
        found = self._cached_namespace(name)
        return str(found["metadata"]["uid"]) if found else ""

    def _require_cluster_info(self) -> ClusterInfo:
        cluster_info = self._cluster_info()
        if cluster_info is None:
            raise Unavailable(
                ReasonCode.CLUSTER_NOT_KNOWN,
                "the server has not read the name servers and API groups of the cluster yet",
            )
        return cluster_info

    def _is_managed(self, found: Json | None, loaded: Loaded, cluster_info: ClusterInfo) -> bool:
        return found is not None and is_managed(
            parse_namespace(found),
            loaded.policy,
            isolation_since=cluster_info.isolation_since,
            own_namespace=self._own_namespace,
        )

    def _verify_default_deny(
        self, api: Api, wanted: IsolationLookup, loaded: Loaded, cluster_info: ClusterInfo
    ) -> IsolationStatus:
        engine = cluster_info.engine
        manifest = render_default_deny(RenderTarget(wanted.namespace, "", loaded.digest), engine)
        try:
            if matches_spec(read_stored(api, manifest), manifest):
                self._remember(wanted.namespace, loaded, manifest)
                return IsolationStatus.PROVEN
        except ApiError as error:
            # Calico's API is listed but does not answer: Calico's API server may itself be waiting for this Pod.
            if engine is not PolicyEngine.CALICO or error.status < MIN_SERVER_ERROR:
                raise
            engine = PolicyEngine.KUBERNETES
        if wanted.dry_run:
            return IsolationStatus.UNWRITTEN
        return self._write(api, wanted.namespace, loaded, engine)

    def _write(self, api: Api, name: str, loaded: Loaded, engine: PolicyEngine) -> IsolationStatus:
        live = api.get(namespace_path(name))
        if live is None:
            raise Unavailable(ReasonCode.NAMESPACE_NOT_FOUND, f"namespace {name} does not exist")
        found: Namespace = parse_namespace(live)
        manifest = render_default_deny(RenderTarget(name, found.uid, loaded.digest), engine)
        outcome = apply_policy(api, manifest)
        if not matches_spec(read_stored(api, manifest), manifest):
            raise Unavailable(
                ReasonCode.ISOLATION_NOT_PROVEN,
                f"namespace {name}: the stored policy differs from the policy that catflap wrote",
            )
        if outcome is WriteOutcome.UNCHANGED:  # the controller was faster
            return IsolationStatus.PROVEN
        self._metrics.policies_written.labels(outcome).inc()
        # A policy that differed was changed by a user. A missing one may never have existed.
        is_repair = outcome is WriteOutcome.REPAIRED or self._isolated.contains(
            name, found.uid, policy_identity(loaded, manifest)
        )
        self._isolated.add(name, found.uid, policy_identity(loaded, manifest))
        why = RESTORED if is_repair else WRITTEN[outcome]
        self._records.append(write_record(manifest, why=why, policy_digest=loaded.digest, at=self._now()))
        if is_repair:
            self._record_event(repaired_event(manifest, outcome))
        return IsolationStatus.WRITTEN

    def _remember(self, name: str, loaded: Loaded, manifest: Manifest) -> None:
        """Remember that the cached namespace had its policy; the cache may hold an older namespace of that name, but no later one."""
        if (seen := self._cached_namespace(name)) is not None:
            self._isolated.add(name, seen["metadata"]["uid"], policy_identity(loaded, manifest))


class IsolatedNamespaces:
    """Remembers the namespaces that had their policy; where the policy is missing later, a user deleted it."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, ...]] = {}
        self._lock = Lock()

    def add(self, name: str, uid: str, policy: tuple[str, ...]) -> None:
        """Remember that a namespace has this policy."""
        with self._lock:
            self._seen.pop(name, None)
            self._seen[name] = (uid, *policy)
            if len(self._seen) > MAX_REMEMBERED:
                del self._seen[next(iter(self._seen))]

    def contains(self, name: str, uid: str, policy: tuple[str, ...]) -> bool:
        """Return whether the namespace with this uid had this policy."""
        return self._seen.get(name) == (uid, *policy)


def policy_identity(loaded: Loaded, manifest: Manifest) -> tuple[str, ...]:
    """Return the policy file's digest and the API version: a policy of another file or engine was never expected to exist."""
    return (loaded.digest, manifest["apiVersion"])


def apply_policy(api: Api, manifest: Manifest) -> WriteOutcome:
    """Write a policy where it is missing or different, and return what was done; raises ApiError.

    Labels and owners that another webhook adds to the policy do not weaken it, so they are accepted.
    """
    try:
        return ensure_policy(api, manifest)
    except PolicyAlteredError as error:
        if matches_spec(error.found, manifest):
            return WriteOutcome.REPAIRED
        raise
