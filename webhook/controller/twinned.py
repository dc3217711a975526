"""The API server's own copy of the rules about labels, kept in step with the policy file."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from webhook.config.parse import Loaded
from webhook.controller.owning import OWNERS, difference, owned
from webhook.controller.patience import Patience
from webhook.controller.recording import Recording
from webhook.controller.twin import changes_at, twin
from webhook.controller.watching import Watching
from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.kube.home import Home, look
from webhook.kube.identity import Acting
from webhook.kube.registrations import PHASES, TWINS, collection, twin_path, twins
from webhook.kube.watch import Watch
from webhook.metrics import COPY
from webhook.model.names import MANAGED_BY, MANAGED_BY_LABEL, TWIN, WEBHOOK_CONFIGURATION
from webhook.model.reason import Reason, ReasonCode

# The first lists come within milliseconds, unless we may not read them; then nothing else tells us to look again.
SOON_SECONDS: Final = 1.0
REGISTERED: Final = PHASES[0]
CREATED: Final = Reason(ReasonCode.ADMISSION_POLICY_CREATED, "created: the policy file asks for it")
REWRITTEN: Final = Reason(ReasonCode.ADMISSION_POLICY_UPDATED, "rewritten: the policy file asks for it")
REMOVED: Final = Reason(ReasonCode.ADMISSION_POLICY_REMOVED, "removed: the policy file asks for it no longer")


class Twinned(Watching):
    """Both objects as they stand, kept by watches; written, mended and removed as the policy file says.

    Without our webhook configuration they go: deleting that is how catflap is turned off (docs/decisions/0013). They go with our own
    namespace, as the webhook configurations do (docs/decisions/0039).
    """

    name = COPY
    pending = "what the API server judges by itself does not fit the policy file yet"

    def __init__(
        self, api: Api, *, recording: Recording, own_namespace: str, now: Callable[[], datetime], acting: Acting
    ) -> None:
        self._api = api
        self._recording = recording
        self._own_namespace = own_namespace
        self._now = now
        self._acting = acting
        self._patience = Patience()
        watches = {kind: watch_of(api, twins(kind), TWIN) for kind in TWINS}
        super().__init__({**watches, REGISTERED: watch_of(api, collection(REGISTERED), WEBHOOK_CONFIGURATION)})

    def follow(self, loaded: Loaded) -> float:
        """See that the API server judges as the policy file says.  Raises ApiError, AuditLogUnwritable.

        The seconds after which to look again: until the next exception ends, or somebody stops undoing what was written; 0
        where neither is awaited.
        """
        self._recording.flush()
        self._patience.under(loaded.digest)
        if not all(watch.synced for watch in self._watches.values()):
            return SOON_SECONDS if loaded.policy.twin else 0.0
        at = self._now()
        on = self._watches[REGISTERED].get(WEBHOOK_CONFIGURATION) is not None
        wanted_now = (
            twin(loaded.policy, own_namespace=self._own_namespace, at=at, own_accounts=self._acting.accounts)
            if on
            else ()
        )
        home = look(self._api, self._own_namespace) if wanted_now else Home(self._own_namespace)
        wanted = {one["kind"]: one for one in wanted_now} if not home.terminating else {}
        for kind in TWINS if wanted else reversed(TWINS):
            found = self._watches[kind].get(TWIN)
            if kind in wanted:
                wanted[kind] = owned(wanted[kind], found or wanted[kind], home)
            if wait := self._see_to(kind, wanted.get(kind), found, loaded.digest):
                return wait
        end = changes_at(loaded.policy, at)
        return (end - at).total_seconds() if end else 0.0

    def _see_to(self, kind: str, wanted: Json | None, found: Json | None, digest: str) -> float:
        """Write, mend or remove one of the two; the seconds to wait first, where somebody keeps undoing it."""
        if wanted is None:
            if found is not None and is_ours(found):
                self._remove(kind, found, digest)
        elif found is None or not says_the_same(found, wanted):
            if wait := self._patience.left():
                return wait
            self._write(kind, wanted, found, digest)
        return 0.0

    def _write(self, kind: str, wanted: Json, found: Json | None, digest: str) -> None:
        if found is None:
            if self._api.create(twins(kind), wanted) is None:
                return  # another replica was faster
            why = CREATED
        else:
            metadata = {
                **found["metadata"],
                "labels": {**(found["metadata"].get("labels") or {}), **wanted["metadata"]["labels"]},
                OWNERS: wanted["metadata"].get(OWNERS, []),
            }
            try:
                self._api.replace(twin_path(kind), {**wanted, "metadata": metadata})
            except ApiError as error:
                if error.status == CONFLICT:  # the watch brings what another replica wrote
                    return
                raise
            why = REWRITTEN
        self._patience.used()
        self._recording.record(wanted, policy_digest=digest, why=why, verb="update")

    def _remove(self, kind: str, found: Json, digest: str) -> None:
        metadata = found["metadata"]
        if self._api.delete(twin_path(kind), uid=metadata["uid"], version=metadata["resourceVersion"]):
            gone = {"apiVersion": found.get("apiVersion", ""), "kind": kind, "metadata": {"name": TWIN}}
            self._recording.record(gone, policy_digest=digest, why=REMOVED, verb="delete")


def watch_of(api: Api, path: str, name: str) -> Watch:
    """A watch on the one object of a name."""
    return Watch(api, path, query={"fieldSelector": f"metadata.name={name}"})


def is_ours(found: Json) -> bool:
    """Whether one that bears our name bears our label as well."""
    return (found["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY


def says_the_same(found: Json, wanted: Json) -> bool:
    """Whether what stands says what is wanted, under our label and with the right owner."""
    return is_ours(found) and found["spec"] == wanted["spec"] and not difference(found, wanted)
