"""Reconciles one namespace: compares the stored policies with the desired ones, and writes the difference."""

import logging
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from webhook.config.parse import Loaded
from webhook.controller.alerts import Alerts
from webhook.controller.desired_policies import CLUSTER_SCOPE, DesiredPolicies, is_default_deny
from webhook.controller.reconcile_round import ReconcileIncomplete, ReconcileRound, incomplete_error, next_share
from webhook.controller.repair_backoff import RepairBackoff
from webhook.controller.write_reasons import PolicyInputs, WriteCause, cause_of, was_isolated, write_reason
from webhook.controller.write_recorder import WriteRecorder
from webhook.controller.write_timeout import WriteTimeout
from webhook.kube.api import NOT_FOUND, Api, ApiError, Json
from webhook.kube.cluster_info import ClusterInfo
from webhook.kube.events import post_repair_event
from webhook.kube.namespaces import namespace_path
from webhook.kube.policies import (
    PolicyAlteredError,
    WriteOutcome,
    delete_policy,
    ensure_policy,
    is_own_policy,
    kind_of,
    matches_manifest,
    matches_spec,
    read_stored,
    repair,
)
from webhook.kube.policy_cache import PolicyCache, cache_key
from webhook.metrics import Metrics
from webhook.model.kinds import PolicyKind
from webhook.model.names import DEFAULT_DENY, GUARD_LABEL, GUARDED
from webhook.model.namespace import Namespace
from webhook.model.reason import Reason, ReasonCode
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

FORBIDDEN = 403
REMOVED = Reason(ReasonCode.POLICY_REMOVED, "removed: the policy file no longer requires it")
LABELLED = Reason(ReasonCode.MANAGED_LABEL_ADDED, "label added: the namespace is managed")
UNLABELLED = Reason(ReasonCode.MANAGED_LABEL_REMOVED, "label removed: the namespace is exempt")


class Reconciler:
    """Isolates namespaces, one at a time. It is idempotent, so any number of replicas may do the same."""

    def __init__(
        self,
        *,
        api: Api,
        standing: PolicyCache,
        recorder: WriteRecorder,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._standing = standing
        self._recorder = recorder
        self._alerts = Alerts(api, recorder=recorder, metrics=metrics, now=now)
        self._metrics = metrics
        self.desired = DesiredPolicies(own_namespace)
        self._now = now
        self._missing_since: dict[str, float] = {}  # since when a namespace lacks its default-deny
        # The inputs for which a namespace last had all its policies; None if it needed none.
        self._completed: dict[str, PolicyInputs | None] = {}
        self._rounds: dict[str, ReconcileRound] = {}  # by namespace; a watch may lag behind a recent write
        self._repair_backoff = RepairBackoff()
        self._write_timeout = WriteTimeout(api)

    def reconcile(self, namespace: Namespace, loaded: Loaded, around: ClusterInfo) -> bool:
        """Isolate a namespace if it is managed; return whether more policies are left to be written.

        One pass writes the default-deny, or a share of the other policies, so that no namespace waits for all
        policies of another. Raises ApiError, ReconcileIncomplete.
        """
        self._recorder.flush()
        wanted = self.desired.in_namespace(namespace, loaded, around)
        if namespace.terminating:
            self._keep_isolated(namespace, wanted, loaded)
            return False
        inputs = PolicyInputs(loaded.digest, around, loaded.policy.namespaces.environment_of(namespace.labels))
        try:
            if self._apply_share(namespace, wanted, loaded, inputs=inputs):
                return True
            self._label(namespace, loaded, around)
        except ApiError as error:
            if not self._is_gone(namespace, error):
                raise
        except ReconcileIncomplete as error:
            if not (isinstance(error.__cause__, ApiError) and self._is_gone(namespace, error.__cause__)):
                raise
        return False

    def reconcile_cluster_scope(self, loaded: Loaded, around: ClusterInfo) -> bool:
        """Write the cluster-wide default deny if it is configured; return whether more is left.

        Raises ApiError, ReconcileIncomplete.
        """
        self._recorder.flush()
        return self._apply_share(
            None, self.desired.cluster_wide(loaded, around), loaded, inputs=PolicyInputs(loaded.digest, around)
        )

    def forget(self, name: str) -> None:
        """Drop the state of a deleted namespace; a namespace with the same name starts without it."""
        self._standing.forget(name)
        self._alerts.forget(name)
        self._repair_backoff.forget(name)
        for kept in (self._missing_since, self._completed, self._rounds):
            kept.pop(name, None)

    def restart_round(self, name: str) -> None:
        """Start a new round, because a policy of the namespace was edited or deleted after this process wrote it."""
        self._rounds.pop(name, None)

    def repair_delay(self, name: str) -> float:
        """Return the seconds to wait before the next repair, if others keep changing the policies of a namespace."""
        return self._repair_backoff.delay(name)

    def matches_desired(
        self, kind: PolicyKind, found: Json, namespace: Namespace | None, loaded: Loaded, around: ClusterInfo
    ) -> bool:
        """Return whether a policy with catflap's label, as a watch event shows it, is as it should be."""
        wanted = (
            self.desired.cluster_wide(loaded, around)
            if namespace is None
            else self.desired.in_namespace(namespace, loaded, around)
        )
        for manifest in wanted:
            if (kind_of(manifest), manifest["metadata"]["name"]) == (kind, found["metadata"]["name"]):
                return self._standing.is_current(manifest)
        return self._standing.get(kind, cache_key(found)) is None or not is_own_policy(found)

    def _apply_share(
        self, namespace: Namespace | None, wanted: tuple[Manifest, ...], loaded: Loaded, *, inputs: PolicyInputs
    ) -> bool:
        """Write a share of the missing policies; after the last share, remove the obsolete ones.

        Return whether more is left to be written.
        """
        space = namespace.name if namespace else CLUSTER_SCOPE
        attempted = self._round(space, inputs).attempted
        missing = [
            one for one in wanted if one["metadata"]["name"] not in attempted and not self._standing.is_current(one)
        ]
        share, left = next_share(missing)
        for manifest in share:
            name = manifest["metadata"]["name"]
            try:
                self._apply(manifest, namespace, loaded, inputs)
                attempted[name] = None
            except ApiError as error:
                attempted[name] = error
        failed = {name: error for name, error in attempted.items() if error is not None}
        if left and DEFAULT_DENY not in failed:
            return True
        self._rounds.pop(space, None)
        if failed:
            raise incomplete_error(space, failed) from next(iter(failed.values()))
        for manifest in wanted if not self._repair_backoff.delay(space) else ():
            self._alerts.resolve((space, manifest["metadata"]["name"]))
        self._completed[space] = inputs if wanted else None
        self._prune(space, wanted, loaded)
        return False

    def _round(self, space: str, inputs: PolicyInputs) -> ReconcileRound:
        """Return the current round of a namespace; a new one if the inputs changed."""
        found = self._rounds.get(space)
        if found is None or found.inputs != inputs:
            found = self._rounds[space] = ReconcileRound(inputs)
        return found

    def _apply(self, manifest: Manifest, namespace: Namespace | None, loaded: Loaded, inputs: PolicyInputs) -> None:
        space, is_isolating = namespace.name if namespace else CLUSTER_SCOPE, is_default_deny(manifest)
        existed = (
            namespace is not None and is_isolating and was_isolated(self._standing.stored_in(space), namespace.uid)
        )
        cause = cause_of(self._completed.get(space), inputs, is_known=space in self._completed, existed=existed)
        if is_isolating:
            self._missing_since.setdefault(space, monotonic())
        try:
            outcome = ensure_policy(self._write_timeout.api, manifest)
        except PolicyAlteredError as error:
            self._alerts.policy_overwritten(manifest, error.found, str(error), loaded.digest)
            raise
        except ApiError as error:
            self._write_timeout.record_failure(error)
            raise
        if is_isolating:
            self._metrics.isolation_delay.observe(monotonic() - self._missing_since.pop(space))
        if outcome is WriteOutcome.UNCHANGED:  # another replica, or the gate, wrote it first
            return
        self._metrics.policies_written.labels(outcome).inc()
        cause, why = write_reason(cause, outcome)
        self._recorder.record(manifest, policy_digest=loaded.digest, why=why)
        if cause is WriteCause.REPAIR:
            post_repair_event(self._api, manifest, outcome, self._now())
            if self._repair_backoff.record_repair(space):
                found = read_stored(self._api, manifest) or {"metadata": {}}
                self._alerts.policy_overwritten(
                    manifest, found, "another component changes it repeatedly", loaded.digest
                )
        elif (
            is_isolating
            and outcome is WriteOutcome.CREATED
            and namespace is not None
            and inputs.around.isolation_since <= namespace.created
        ):
            self._alerts.pods_before_isolation(namespace, loaded.digest)

    def _keep_isolated(self, namespace: Namespace, wanted: tuple[Manifest, ...], loaded: Loaded) -> None:
        """Keep a terminating namespace isolated: repair edited policies, and report a missing default-deny.

        The API server creates no objects in a terminating namespace.
        """
        for manifest in wanted:
            seen, is_isolating = self._standing.get(kind_of(manifest), cache_key(manifest)), is_default_deny(manifest)
            if self._standing.is_current(manifest) or (seen is None and not is_isolating):
                continue
            found = read_stored(self._api, manifest)
            if found is None and is_isolating:
                self._alerts.default_deny_missing(namespace, manifest, loaded.digest)
            elif found is not None and not matches_manifest(found, manifest):
                outcome = self._repair(manifest, found)
                self._metrics.policies_written.labels(outcome).inc()
                _, why = write_reason(WriteCause.REPAIR, outcome)
                self._recorder.record(manifest, policy_digest=loaded.digest, why=why)

    def _repair(self, manifest: Manifest, found: Json) -> WriteOutcome:
        try:
            return repair(self._write_timeout.api, manifest, found)
        except ApiError as error:
            self._write_timeout.record_failure(error)
            raise

    def _prune(self, space: str, wanted: tuple[Manifest, ...], loaded: Loaded) -> None:
        """Remove the policies of an earlier policy file or engine, after reading back the current default-deny.

        If no policy is desired, the default-deny goes last, so that catflap's allow policies never exist alone.
        """
        obsolete = self._standing.unwanted(space, wanted)
        if not obsolete or (wanted and not matches_spec(read_stored(self._api, wanted[0]), wanted[0])):
            return
        for kind, found in sorted(obsolete, key=lambda one: one[1]["metadata"]["name"] == DEFAULT_DENY):
            if not delete_policy(self._api, kind, found):  # another replica removed it
                continue
            manifest = {
                "apiVersion": f"{kind.group}/{kind.version}", "kind": kind.kind, "metadata": found["metadata"],
            }  # fmt: skip
            self._recorder.record(manifest, policy_digest=loaded.digest, why=REMOVED, verb="delete")

    def _label(self, namespace: Namespace, loaded: Loaded, around: ClusterInfo) -> None:
        """Set the managed label on a managed namespace, and remove it from an exempt one.

        On other namespaces, a label that a user set stays.
        """
        if self.desired.is_managed(namespace, loaded, around):
            value, why = GUARDED, LABELLED
        elif loaded.policy.namespaces.exempts(namespace.name):
            value, why = None, UNLABELLED
        else:
            return
        if (value is not None) == namespace.has_guard_label:
            return
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            # The uid prevents that the label is set on a new namespace of the same name.
            "metadata": {"name": namespace.name, "uid": namespace.uid, "labels": {GUARD_LABEL: value}},
        }
        self._api.merge(namespace_path(namespace.name), manifest)
        self._recorder.record(manifest, policy_digest=loaded.digest, why=why)

    def _is_gone(self, namespace: Namespace, error: ApiError) -> bool:
        """Return whether a write failed because the namespace terminates or is deleted, which is no failure."""
        if error.status not in {NOT_FOUND, FORBIDDEN}:
            return False
        found = self._api.get(namespace_path(namespace.name))
        return found is None or "deletionTimestamp" in found["metadata"] or found["metadata"]["uid"] != namespace.uid
