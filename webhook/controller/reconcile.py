"""One namespace: what stands against what should, and the difference written."""

import logging
from collections.abc import Callable
from datetime import datetime

from webhook.audit.record import write_record
from webhook.audit.sink import AuditLog
from webhook.config.parse import Loaded
from webhook.guard.closing import is_guarded
from webhook.kube.api import NOT_FOUND, Api, ApiError
from webhook.kube.namespaces import PATH
from webhook.kube.policies import Outcome, ensure
from webhook.kube.surroundings import Surroundings
from webhook.metrics import Metrics
from webhook.model.names import GUARD_LABEL, GUARDED
from webhook.model.namespace import Namespace
from webhook.netpol.manifest import Birth, Manifest
from webhook.netpol.render import render

logger = logging.getLogger(__name__)

FORBIDDEN = 403


class Reconciler:
    """Closes namespaces, one at a time; idempotent, so any number of replicas may do the same."""

    def __init__(
        self, *, api: Api, audit: AuditLog, metrics: Metrics, own_namespace: str, now: Callable[[], datetime]
    ) -> None:
        self._api = api
        self._audit = audit
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now

    def reconcile(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> None:
        """See that a namespace is closed if it is to be.  Raises ApiError, AuditLogUnwritable."""
        if namespace.terminating or not self.guarded(namespace, loaded, around):
            return
        birth = Birth(namespace.name, namespace.uid, loaded.digest)
        try:
            for manifest in render(loaded.policy, birth, around.engine, detected_dns=around.detected_dns):
                self._see_to(manifest, loaded)
            if not namespace.stamped:
                self._stamp(namespace, loaded)
        except ApiError as error:
            if not self._is_gone(namespace, error):
                raise

    def guarded(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> bool:
        """Whether a namespace is to be closed."""
        return is_guarded(namespace, loaded.policy, closed_since=around.closed_since, own_namespace=self._own_namespace)

    def _see_to(self, manifest: Manifest, loaded: Loaded) -> None:
        outcome = ensure(self._api, manifest)
        if outcome is Outcome.UNCHANGED:
            return
        self._metrics.policies_written.labels(outcome).inc()
        self._record(manifest, loaded, reason=f"{outcome}: the namespace is guarded")

    def _stamp(self, namespace: Namespace, loaded: Loaded) -> None:
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            # The uid keeps the stamp off a namespace that was made anew under the same name.
            "metadata": {"name": namespace.name, "uid": namespace.uid, "labels": {GUARD_LABEL: GUARDED}},
        }
        self._api.merge(f"{PATH}/{namespace.name}", manifest)
        self._record(manifest, loaded, reason="stamped: the namespace is guarded")

    def _record(self, manifest: Manifest, loaded: Loaded, *, reason: str) -> None:
        metadata = manifest["metadata"]
        logger.info("%s %s/%s %s", manifest["kind"], metadata.get("namespace", ""), metadata["name"], reason)
        self._audit.append(write_record(manifest, reason=reason, policy_digest=loaded.digest, at=self._now()))

    def _is_gone(self, namespace: Namespace, error: ApiError) -> bool:
        """Whether a write failed because the namespace is going or gone, which is no failure."""
        if error.status not in {NOT_FOUND, FORBIDDEN}:
            return False
        found = self._api.get(f"{PATH}/{namespace.name}")
        return found is None or "deletionTimestamp" in found["metadata"] or found["metadata"]["uid"] != namespace.uid
