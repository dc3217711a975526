"""One namespace: what stands against what should, and the difference written."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from time import monotonic

from msgspec import Struct

from webhook.config.parse import Loaded
from webhook.controller.recording import Recording
from webhook.guard.closing import is_guarded
from webhook.kube.api import NOT_FOUND, Api, ApiError, Json
from webhook.kube.events import announce
from webhook.kube.namespaces import path
from webhook.kube.policies import Outcome, closes, ensure, is_ours, kind_of, remove, stored
from webhook.kube.standing import Standing, key
from webhook.kube.surroundings import Surroundings
from webhook.metrics import Metrics
from webhook.model.kinds import PolicyKind
from webhook.model.names import DEFAULT_DENY, GUARD_LABEL, GUARDED
from webhook.model.namespace import Namespace
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import Birth, Manifest
from webhook.netpol.render import render, render_net

FORBIDDEN = 403
NOWHERE = ""  # the namespace of what is in none
STAGED = "stagednetworkpolicies"
WRITTEN = {Outcome.CREATED: "created", Outcome.REPAIRED: "rewritten"}


class Asked(Struct, frozen=True):
    """What decides, beside a namespace's name, which policies are wanted there."""

    policy_digest: str
    around: Surroundings
    environment: str = ""

    def began_with(self, first: "Asked") -> bool:
        """Whether file and cluster are those of another time."""
        return (self.policy_digest, self.around) == (first.policy_digest, first.around)


class Cause(StrEnum):
    """Why a policy is written; as its record says it."""

    NEW = "the namespace is guarded"
    ASKED = "the policy file or the cluster asks for it"
    REPAIR = "it was edited or deleted"


class Reconciler:
    """Closes namespaces, one at a time; idempotent, so any number of replicas may do the same."""

    def __init__(
        self,
        *,
        api: Api,
        standing: Standing,
        recording: Recording,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._standing = standing
        self._recording = recording
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._started = now().replace(microsecond=0)  # creation is dated in whole seconds
        self._lacking: dict[str, float] = {}  # since when a namespace is known to lack its default-deny
        # Under what a namespace last had all that was wanted there; None where that was nothing.
        self._settled: dict[str, Asked | None] = {}
        self._first: Asked | None = None

    def reconcile(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> None:
        """See that a namespace is closed if it is to be, and left if it is not.  Raises ApiError, AuditLogUnwritable.

        Nothing is written while an earlier write waits for its record.
        """
        self._recording.flush()
        if namespace.terminating:
            return
        asked = Asked(loaded.digest, around, loaded.policy.namespaces.environment_of(namespace.labels))
        older = namespace.created < self._started
        try:
            self._settle(namespace.name, self._wanted(namespace, loaded, around), loaded, asked=asked, older=older)
            self._stamp(namespace, loaded, around)
        except ApiError as error:
            if not self._is_gone(namespace, error):
                raise

    def reconcile_net(self, loaded: Loaded, around: Surroundings) -> None:
        """See that the net below all namespaces stands if it is to.  Raises ApiError, AuditLogUnwritable."""
        self._recording.flush()
        asked = Asked(loaded.digest, around)
        self._settle(NOWHERE, self._wanted_net(loaded, around), loaded, asked=asked, older=False)

    def forget(self, name: str) -> None:
        """The namespace is gone: what comes under its name is new."""
        self._standing.forget(name)
        self._lacking.pop(name, None)
        self._settled.pop(name, None)

    def guarded(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> bool:
        """Whether a namespace is to be closed."""
        return is_guarded(namespace, loaded.policy, closed_since=around.closed_since, own_namespace=self._own_namespace)

    def as_wanted(
        self, kind: PolicyKind, found: Json, namespace: Namespace | None, loaded: Loaded, around: Surroundings
    ) -> bool:
        """Whether a policy under our label, as a watch saw it come, change or go, is as it should be."""
        wanted = self._wanted_net(loaded, around) if namespace is None else self._wanted(namespace, loaded, around)
        for manifest in wanted:
            if (kind_of(manifest), manifest["metadata"]["name"]) == (kind, found["metadata"]["name"]):
                return self._standing.stands(manifest)
        return self._standing.get(kind, key(found)) is None or not is_ours(found)

    def _wanted(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> tuple[Manifest, ...]:
        """What is to stand in a namespace: nothing where it is left alone, or where its policies cannot be staged."""
        if not self.guarded(namespace, loaded, around) or cannot_stage(loaded, around):
            return ()
        environment = loaded.policy.namespaces.environment_of(namespace.labels)
        birth = Birth(namespace.name, namespace.uid, loaded.digest, environment)
        return render(loaded.policy, birth, around.engine, detected_dns=around.detected_dns)

    def _wanted_net(self, loaded: Loaded, around: Surroundings) -> tuple[Manifest, ...]:
        if cannot_stage(loaded, around):
            return ()
        exempt = {*loaded.policy.namespaces.exempted, self._own_namespace}
        birth = Birth(NOWHERE, "", loaded.digest)
        return render_net(loaded.policy, birth, around.engine, exempt=exempt, detected_dns=around.detected_dns)

    def _settle(self, space: str, wanted: tuple[Manifest, ...], loaded: Loaded, *, asked: Asked, older: bool) -> None:
        """Write what is wanted and does not stand, then remove what stands and is not wanted."""
        self._first = self._first or asked
        cause = self._cause(space, asked, older=older)
        for manifest in wanted:
            if not self._standing.stands(manifest):
                self._see_to(manifest, space, loaded, cause)
        self._settled[space] = asked if wanted else None
        self._clear_away(space, wanted, loaded)

    def _cause(self, space: str, asked: Asked, *, older: bool) -> Cause:
        """Why something may differ: where all stood under the same file and cluster, somebody edited or deleted it.

        So it is at the first look at a namespace older than this process, under what the process began with.
        """
        if self._settled.get(space, asked) != asked:
            return Cause.ASKED
        if space in self._settled or (older and self._first is not None and asked.began_with(self._first)):
            return Cause.REPAIR
        return Cause.NEW

    def _see_to(self, manifest: Manifest, space: str, loaded: Loaded, cause: Cause) -> None:
        closes = (manifest["kind"], manifest["metadata"]["name"]) == ("NetworkPolicy", DEFAULT_DENY)
        if closes:
            self._lacking.setdefault(space, monotonic())
        outcome = ensure(self._api, manifest)
        if closes:
            self._metrics.unguarded_seconds.observe(monotonic() - self._lacking.pop(space))
        if outcome is Outcome.UNCHANGED:  # another replica, or the gate, was faster
            return
        self._metrics.policies_written.labels(outcome).inc()
        if cause is Cause.NEW and outcome is Outcome.REPAIRED:  # it stood before we ever looked, and not as it should
            cause = Cause.REPAIR
        did = "restored" if cause is Cause.REPAIR else WRITTEN[outcome]
        self._recording.record(manifest, policy_digest=loaded.digest, reason=f"{did}: {cause}")
        if cause is Cause.REPAIR:
            announce(self._api, manifest, outcome, self._now())

    def _clear_away(self, space: str, wanted: tuple[Manifest, ...], loaded: Loaded) -> None:
        """Remove what an earlier policy or engine left, once the default-deny that counts now is read back.

        Where nothing is wanted any more, the one that closes goes last, so that no allow of ours is ever alone.
        """
        obsolete = self._standing.others(space, wanted)
        if not obsolete or (wanted and not closes(stored(self._api, wanted[0]), wanted[0])):
            return
        for kind, found in sorted(obsolete, key=lambda one: one[1]["metadata"]["name"] == DEFAULT_DENY):
            if not remove(self._api, kind, found):  # another replica was faster
                continue
            manifest = {
                "apiVersion": f"{kind.group}/{kind.version}", "kind": kind.kind, "metadata": found["metadata"],
            }  # fmt: skip
            self._recording.record(
                manifest,
                policy_digest=loaded.digest,
                reason="removed: the policy file asks for it no longer",
                verb="delete",
            )

    def _stamp(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> None:
        """Mark a guarded namespace as one, and an exempt one as none; any other mark is somebody's own."""
        if self.guarded(namespace, loaded, around):
            value, reason = GUARDED, "stamped: the namespace is guarded"
        elif loaded.policy.namespaces.exempts(namespace.name):
            value, reason = None, "unstamped: the namespace is exempt"
        else:
            return
        if (value is not None) == namespace.stamped:
            return
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            # The uid keeps the stamp off a namespace that was made anew under the same name.
            "metadata": {"name": namespace.name, "uid": namespace.uid, "labels": {GUARD_LABEL: value}},
        }
        self._api.merge(path(namespace.name), manifest)
        self._recording.record(manifest, policy_digest=loaded.digest, reason=reason)

    def _is_gone(self, namespace: Namespace, error: ApiError) -> bool:
        """Whether a write failed because the namespace is going or gone, which is no failure."""
        if error.status not in {NOT_FOUND, FORBIDDEN}:
            return False
        found = self._api.get(path(namespace.name))
        return found is None or "deletionTimestamp" in found["metadata"] or found["metadata"]["uid"] != namespace.uid


def cannot_stage(loaded: Loaded, around: Surroundings) -> bool:
    """Whether the policy file wants staged policies of a cluster that has none: closing it instead was not asked for."""
    return loaded.policy.network.staged and (around.engine is not Engine.CALICO or STAGED not in around.calico)


def lacking(loaded: Loaded, around: Surroundings) -> str:
    """What the policy file wants and this cluster does not have, in words; empty where nothing is."""
    if cannot_stage(loaded, around):
        return "network.staged: this cluster takes no staged policies of Calico's, so no policy is written at all"
    if loaded.policy.network.standing_net and around.engine is not Engine.CALICO:
        return "network.standingNet: this cluster takes no GlobalNetworkPolicy; namespaces are closed one by one"
    return ""
