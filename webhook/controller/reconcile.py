"""One namespace: what stands against what should, and the difference written."""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Any

from webhook.audit.record import write_record
from webhook.audit.sink import AuditLog
from webhook.config.parse import Loaded
from webhook.guard.closing import is_guarded
from webhook.kube.api import NOT_FOUND, Api, ApiError, Json
from webhook.kube.events import announce
from webhook.kube.namespaces import PATH
from webhook.kube.policies import Outcome, closes, ensure, remove, stored
from webhook.kube.standing import Standing
from webhook.kube.surroundings import Surroundings
from webhook.metrics import Metrics
from webhook.model.names import DEFAULT_DENY, GUARD_LABEL, GUARDED
from webhook.model.namespace import Namespace
from webhook.netpol.manifest import Birth, Manifest
from webhook.netpol.render import render

logger = logging.getLogger(__name__)

FORBIDDEN = 403


class Reconciler:
    """Closes namespaces, one at a time; idempotent, so any number of replicas may do the same."""

    def __init__(
        self,
        *,
        api: Api,
        standing: Standing,
        audit: AuditLog,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._standing = standing
        self._audit = audit
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._started = now().replace(microsecond=0)  # creation is dated in whole seconds
        self._unrecorded: deque[dict[str, Any]] = deque()  # at most one write a worker: none begins before it is empty
        self._unrecorded_lock = Lock()
        self._lacking: dict[str, float] = {}  # since when a namespace is known to lack its default-deny

    def reconcile(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> None:
        """See that a namespace is closed if it is to be.  Raises ApiError, AuditLogUnwritable.

        Nothing is written while an earlier write waits for its record.
        """
        self._flush()
        if namespace.terminating or not self.guarded(namespace, loaded, around):
            return
        try:
            wanted = self._wanted(namespace, loaded, around)
            for manifest in wanted:
                if not self._standing.stands(manifest):
                    self._see_to(manifest, namespace, loaded)
            self._clear_away(namespace, wanted, loaded)
            if not namespace.stamped:
                self._stamp(namespace, loaded)
        except ApiError as error:
            if not self._is_gone(namespace, error):
                raise

    def forget(self, name: str) -> None:
        """The namespace is gone: what comes under its name is new."""
        self._standing.forget(name)
        self._lacking.pop(name, None)

    def guarded(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> bool:
        """Whether a namespace is to be closed."""
        return is_guarded(namespace, loaded.policy, closed_since=around.closed_since, own_namespace=self._own_namespace)

    def as_wanted(self, version: str, found: Json, namespace: Namespace, loaded: Loaded, around: Surroundings) -> bool:
        """Whether a policy of ours, as a watch saw it, stands and says what it should."""
        for manifest in self._wanted(namespace, loaded, around):
            if (manifest["apiVersion"], manifest["metadata"]["name"]) == (version, found["metadata"]["name"]):
                return self._standing.stands(manifest)
        return True  # not one that we want, so none that we would write

    def _wanted(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> tuple[Manifest, ...]:
        environment = loaded.policy.namespaces.environment_of(namespace.labels)
        birth = Birth(namespace.name, namespace.uid, loaded.digest, environment)
        return render(loaded.policy, birth, around.engine, detected_dns=around.detected_dns)

    def _see_to(self, manifest: Manifest, namespace: Namespace, loaded: Loaded) -> None:
        closes = manifest["metadata"]["name"] == DEFAULT_DENY
        if closes:
            self._lacking.setdefault(namespace.name, monotonic())
        stood = self._standing.was_seen(manifest) or namespace.created < self._started
        outcome = ensure(self._api, manifest)
        if closes:
            self._metrics.unguarded_seconds.observe(monotonic() - self._lacking.pop(namespace.name))
        if outcome is Outcome.UNCHANGED:  # another replica, or the gate, was faster
            return
        self._metrics.policies_written.labels(outcome).inc()
        restored = outcome is Outcome.REPAIRED or stood
        self._record(manifest, loaded, reason=f"{'restored' if restored else outcome}: the namespace is guarded")
        if restored:
            announce(self._api, manifest, outcome, self._now())

    def _clear_away(self, namespace: Namespace, wanted: tuple[Manifest, ...], loaded: Loaded) -> None:
        """Remove what an earlier policy or engine left, once the default-deny that counts now is read back."""
        obsolete = self._standing.others(namespace.name, wanted)
        if not obsolete or not closes(stored(self._api, wanted[0]), wanted[0]):
            return
        for version, found in obsolete:
            remove(self._api, version, found)
            manifest = {"apiVersion": version, "kind": "NetworkPolicy", "metadata": found["metadata"]}
            self._record(manifest, loaded, reason="removed: the policy file asks for it no longer", verb="delete")

    def _stamp(self, namespace: Namespace, loaded: Loaded) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            # The uid keeps the stamp off a namespace that was made anew under the same name.
            "metadata": {"name": namespace.name, "uid": namespace.uid, "labels": {GUARD_LABEL: GUARDED}},
        }
        self._api.merge(f"{PATH}/{namespace.name}", manifest)
        self._record(manifest, loaded, reason="stamped: the namespace is guarded")

    def _record(self, manifest: Manifest, loaded: Loaded, *, reason: str, verb: str = "apply") -> None:
        metadata = manifest["metadata"]
        logger.info("%s %s/%s %s", manifest["kind"], metadata.get("namespace", ""), metadata["name"], reason)
        record = write_record(manifest, verb=verb, reason=reason, policy_digest=loaded.digest, at=self._now())
        with self._unrecorded_lock:
            self._unrecorded.append(record)
        self._flush()

    def _flush(self) -> None:
        with self._unrecorded_lock:
            while self._unrecorded:
                self._audit.append(self._unrecorded[0])
                self._unrecorded.popleft()

    def _is_gone(self, namespace: Namespace, error: ApiError) -> bool:
        """Whether a write failed because the namespace is going or gone, which is no failure."""
        if error.status not in {NOT_FOUND, FORBIDDEN}:
            return False
        found = self._api.get(f"{PATH}/{namespace.name}")
        return found is None or "deletionTimestamp" in found["metadata"] or found["metadata"]["uid"] != namespace.uid
