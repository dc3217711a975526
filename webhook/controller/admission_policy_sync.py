"""Keeps the ValidatingAdmissionPolicy and its binding in step with the policy file."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from webhook.config.parse import Loaded
from webhook.controller.admission_policy import admission_policy, next_expiry
from webhook.controller.owner_references import OWNERS, owner_difference, with_owner
from webhook.controller.watch_group import WatchGroup
from webhook.controller.write_backoff import WriteBackoff
from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.kube.identity import ProcessIdentity
from webhook.kube.own_namespace import OwnNamespace, read_own_namespace
from webhook.kube.watch import Watch
from webhook.kube.webhook_configurations import (
    ADMISSION_POLICY_KINDS,
    PHASES,
    admission_policies_path,
    collection,
    own_admission_policy_path,
)
from webhook.metrics import COPY
from webhook.model.names import ADMISSION_POLICY, MANAGED_BY, MANAGED_BY_LABEL, WEBHOOK_CONFIGURATION
from webhook.model.reason import Reason, ReasonCode

# The first lists arrive within milliseconds, unless RBAC forbids them. In that case no event triggers another pass.
CACHE_SYNC_RETRY_SECONDS: Final = 1.0
REGISTERED: Final = PHASES[0]
CREATED: Final = Reason(ReasonCode.ADMISSION_POLICY_CREATED, "created: the policy file requires it")
REWRITTEN: Final = Reason(ReasonCode.ADMISSION_POLICY_UPDATED, "rewritten: the policy file requires it")
REMOVED: Final = Reason(ReasonCode.ADMISSION_POLICY_REMOVED, "removed: the policy file no longer requires it")


class ValidatingAdmissionPolicySync(WatchGroup):
    """Watches both objects; writes, repairs and removes them as the policy file requires.

    It removes them when the validating webhook configuration is missing, because an administrator turns catflap off
    by deleting that (docs/decisions/0013). They are removed together with catflap's own namespace, as the webhook
    configurations are (docs/decisions/0039).
    """

    name = COPY
    pending = "the ValidatingAdmissionPolicy does not match the policy file yet"

    def __init__(
        self,
        api: Api,
        *,
        recorder: WriteRecorder,
        own_namespace: str,
        now: Callable[[], datetime],
        acting: ProcessIdentity,
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._own_namespace = own_namespace
        self._now = now
        self._acting = acting
        self._backoff = WriteBackoff()
        watches = {
            kind: watch_of(api, admission_policies_path(kind), ADMISSION_POLICY) for kind in ADMISSION_POLICY_KINDS
        }
        super().__init__({**watches, REGISTERED: watch_of(api, collection(REGISTERED), WEBHOOK_CONFIGURATION)})

    def sync(self, loaded: Loaded) -> float:
        """Write or remove both objects; return the seconds until the next pass. Raises ApiError, AuditLogUnwritable.

        The next pass is due when the next exception expires or the backoff after reverted writes ends. The result is
        0 if neither is pending.
        """
        self._recorder.flush()
        self._backoff.reset_for(loaded.digest)
        if not all(watch.synced for watch in self._watches.values()):
            return CACHE_SYNC_RETRY_SECONDS if loaded.policy.validating_admission_policy else 0.0
        at = self._now()
        on = self._watches[REGISTERED].get(WEBHOOK_CONFIGURATION) is not None
        wanted_now = (
            admission_policy(
                loaded.policy, own_namespace=self._own_namespace, at=at, own_accounts=self._acting.accounts
            )
            if on
            else ()
        )
        home = read_own_namespace(self._api, self._own_namespace) if wanted_now else OwnNamespace(self._own_namespace)
        wanted = {one["kind"]: one for one in wanted_now} if not home.terminating else {}
        for kind in ADMISSION_POLICY_KINDS if wanted else reversed(ADMISSION_POLICY_KINDS):
            found = self._watches[kind].get(ADMISSION_POLICY)
            if kind in wanted:
                wanted[kind] = with_owner(wanted[kind], found or wanted[kind], home)
            if wait := self._apply(kind, wanted.get(kind), found, loaded.digest):
                return wait
        end = next_expiry(loaded.policy, at)
        return (end - at).total_seconds() if end else 0.0

    def _apply(self, kind: str, wanted: Json | None, found: Json | None, digest: str) -> float:
        """Write, repair or remove one object; return the backoff to wait first, if others keep reverting it."""
        if wanted is None:
            if found is not None and has_own_label(found):
                self._remove(kind, found, digest)
        elif found is None or not matches_desired(found, wanted):
            if wait := self._backoff.delay():
                return wait
            self._write(kind, wanted, found, digest)
        return 0.0

    def _write(self, kind: str, wanted: Json, found: Json | None, digest: str) -> None:
        if found is None:
            if self._api.create(admission_policies_path(kind), wanted) is None:
                return  # another replica created it
            why = CREATED
        else:
            metadata = {
                **found["metadata"],
                "labels": {**(found["metadata"].get("labels") or {}), **wanted["metadata"]["labels"]},
                OWNERS: wanted["metadata"].get(OWNERS, []),
            }
            try:
                self._api.replace(own_admission_policy_path(kind), {**wanted, "metadata": metadata})
            except ApiError as error:
                if error.status == CONFLICT:  # the watch delivers what another replica wrote
                    return
                raise
            why = REWRITTEN
        self._backoff.record_write()
        self._recorder.record(wanted, policy_digest=digest, why=why, verb="update")

    def _remove(self, kind: str, found: Json, digest: str) -> None:
        metadata = found["metadata"]
        if self._api.delete(own_admission_policy_path(kind), uid=metadata["uid"], version=metadata["resourceVersion"]):
            gone = {"apiVersion": found.get("apiVersion", ""), "kind": kind, "metadata": {"name": ADMISSION_POLICY}}
            self._recorder.record(gone, policy_digest=digest, why=REMOVED, verb="delete")


def watch_of(api: Api, path: str, name: str) -> Watch:
    """Return a watch on the one object with a name."""
    return Watch(api, path, query={"fieldSelector": f"metadata.name={name}"})


def has_own_label(found: Json) -> bool:
    """Return whether an object with catflap's name has catflap's label as well."""
    return (found["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY


def matches_desired(found: Json, wanted: Json) -> bool:
    """Return whether a stored object has the desired spec, catflap's label and the right owner."""
    return has_own_label(found) and found["spec"] == wanted["spec"] and not owner_difference(found, wanted)
