"""One namespace: what stands against what should, and the difference written."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from time import monotonic

from webhook.config.parse import Loaded
from webhook.controller.alarms import Alarms
from webhook.controller.causes import Asked, Cause, cause_of, explained, was_isolated
from webhook.controller.haste import Haste
from webhook.controller.recording import Recording
from webhook.controller.repairs import Repairs
from webhook.controller.wanted import NOWHERE, Wanted, is_default_deny
from webhook.kube.api import NOT_FOUND, Api, ApiError, Json
from webhook.kube.events import announce
from webhook.kube.namespaces import path
from webhook.kube.policies import (
    NotAsWritten,
    Outcome,
    closes,
    ensure,
    is_ours,
    kind_of,
    mend,
    remove,
    same,
    stored,
)
from webhook.kube.standing import Standing, key
from webhook.kube.surroundings import Surroundings
from webhook.metrics import Metrics
from webhook.model.kinds import PolicyKind
from webhook.model.names import ALLOW_DNS, DEFAULT_DENY, GUARD_LABEL, GUARDED
from webhook.model.namespace import Namespace
from webhook.model.reason import Reason, ReasonCode
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

FORBIDDEN = 403
# Policies that one look writes after the default-deny: some tens of milliseconds, before the next namespace has its turn.
SHARE = 20
REMOVED = Reason(ReasonCode.POLICY_REMOVED, "removed: the policy file asks for it no longer")
LABELLED = Reason(ReasonCode.MANAGED_LABEL_ADDED, "stamped: the namespace is guarded")
UNLABELLED = Reason(ReasonCode.MANAGED_LABEL_REMOVED, "unstamped: the namespace is exempt")


class Round:
    """What was written in a namespace since it was last looked at as a whole, by name: None, or the error that kept it from being written.

    It counts only for what was `asked` then: another engine's policy of the same name, or other contents, still have to be written.
    """

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.tried: dict[str, ApiError | None] = {}


class NotSettled(Exception):  # noqa: N818 (a state of the cluster)
    """Something of a namespace could not be written; the message says what, and whether the namespace is isolated."""


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
        self._alarms = Alarms(api, recording=recording, metrics=metrics, now=now)
        self._metrics = metrics
        self.wanted = Wanted(own_namespace)
        self._now = now
        self._lacking: dict[str, float] = {}  # since when a namespace is known to lack its default-deny
        # Under what a namespace last had all that was wanted there; None where that was nothing.
        self._settled: dict[str, Asked | None] = {}
        self._rounds: dict[str, Round] = {}  # by namespace; a watch may lag behind what was just written
        self._repairs = Repairs()
        self._haste = Haste(api)

    def reconcile(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> bool:
        """See that a namespace is closed if it is to be, and left if it is not; whether more is left to be written.

        One look writes the default-deny, or a share of the rest, so that no namespace waits for all of another's policies.
        Raises ApiError, NotSettled.
        """
        self._recording.flush()
        wanted = self.wanted.within(namespace, loaded, around)
        if namespace.terminating:
            self._keep(namespace, wanted, loaded)
            return False
        asked = Asked(loaded.digest, around, loaded.policy.namespaces.environment_of(namespace.labels))
        try:
            if self._settle(namespace, wanted, loaded, asked=asked):
                return True
            self._stamp(namespace, loaded, around)
        except ApiError as error:
            if not self._is_gone(namespace, error):
                raise
        except NotSettled as error:
            if not (isinstance(error.__cause__, ApiError) and self._is_gone(namespace, error.__cause__)):
                raise
        return False

    def reconcile_net(self, loaded: Loaded, around: Surroundings) -> bool:
        """See that the net below all namespaces stands if it is to; whether more is left.  Raises ApiError, NotSettled."""
        self._recording.flush()
        return self._settle(None, self.wanted.below(loaded, around), loaded, asked=Asked(loaded.digest, around))

    def forget(self, name: str) -> None:
        """The namespace is gone: what comes under its name is new."""
        self._standing.forget(name)
        self._alarms.forget(name)
        self._repairs.forget(name)
        for kept in (self._lacking, self._settled, self._rounds):
            kept.pop(name, None)

    def look_anew(self, name: str) -> None:
        """A policy of a namespace was edited or deleted: what was written a moment ago may not stand any more."""
        self._rounds.pop(name, None)

    def pause(self, name: str) -> float:
        """The seconds to wait before a policy of a namespace is repaired again, where something keeps changing it."""
        return self._repairs.pause(name)

    def as_wanted(
        self, kind: PolicyKind, found: Json, namespace: Namespace | None, loaded: Loaded, around: Surroundings
    ) -> bool:
        """Whether a policy under our label, as a watch saw it come, change or go, is as it should be."""
        wanted = (
            self.wanted.below(loaded, around) if namespace is None else self.wanted.within(namespace, loaded, around)
        )
        for manifest in wanted:
            if (kind_of(manifest), manifest["metadata"]["name"]) == (kind, found["metadata"]["name"]):
                return self._standing.stands(manifest)
        return self._standing.get(kind, key(found)) is None or not is_ours(found)

    def _settle(
        self, namespace: Namespace | None, wanted: tuple[Manifest, ...], loaded: Loaded, *, asked: Asked
    ) -> bool:
        """Write a share of what is wanted and does not stand; at last remove what stands and is not wanted.

        Whether more is left to be written.
        """
        space = namespace.name if namespace else NOWHERE
        tried = self._round(space, asked).tried
        missing = [one for one in wanted if one["metadata"]["name"] not in tried and not self._standing.stands(one)]
        share, left = next_share(missing)
        for manifest in share:
            name = manifest["metadata"]["name"]
            try:
                self._see_to(manifest, namespace, loaded, asked)
                tried[name] = None
            except ApiError as error:
                tried[name] = error
        failed = {name: error for name, error in tried.items() if error is not None}
        if left and DEFAULT_DENY not in failed:
            return True
        self._rounds.pop(space, None)
        if failed:
            raise not_settled(space, failed) from next(iter(failed.values()))
        for manifest in wanted if not self._repairs.pause(space) else ():
            self._alarms.over((space, manifest["metadata"]["name"]))
        self._settled[space] = asked if wanted else None
        self._clear_away(space, wanted, loaded)
        return False

    def _round(self, space: str, asked: Asked) -> Round:
        """The round that a namespace is in; a new one where something else is asked for now."""
        found = self._rounds.get(space)
        if found is None or found.asked != asked:
            found = self._rounds[space] = Round(asked)
        return found

    def _see_to(self, manifest: Manifest, namespace: Namespace | None, loaded: Loaded, asked: Asked) -> None:
        space, closing = namespace.name if namespace else NOWHERE, is_default_deny(manifest)
        stood = namespace is not None and closing and was_isolated(self._standing.stored_in(space), namespace.uid)
        cause = cause_of(self._settled.get(space), asked, knows=space in self._settled, stood=stood)
        if closing:
            self._lacking.setdefault(space, monotonic())
        try:
            outcome = ensure(self._haste.api, manifest)
        except NotAsWritten as error:
            self._alarms.changed_by_others(manifest, error.found, str(error), loaded.digest)
            raise
        except ApiError as error:
            self._haste.failed(error)
            raise
        if closing:
            self._metrics.unguarded_seconds.observe(monotonic() - self._lacking.pop(space))
        if outcome is Outcome.UNCHANGED:  # another replica, or the gate, was faster
            return
        self._metrics.policies_written.labels(outcome).inc()
        cause, why = explained(cause, outcome)
        self._recording.record(manifest, policy_digest=loaded.digest, why=why)
        if cause is Cause.REPAIR:
            announce(self._api, manifest, outcome, self._now())
            if self._repairs.again(space):
                found = stored(self._api, manifest) or {"metadata": {}}
                self._alarms.changed_by_others(manifest, found, "it is changed again and again", loaded.digest)
        elif (
            closing
            and outcome is Outcome.CREATED
            and namespace is not None
            and asked.around.closed_since <= namespace.created
        ):
            self._alarms.early_pods(namespace, loaded.digest)

    def _keep(self, namespace: Namespace, wanted: tuple[Manifest, ...], loaded: Loaded) -> None:
        """Keep a namespace that is being deleted isolated: what is edited is mended; what is missing cannot be made there."""
        for manifest in wanted:
            seen, closing = self._standing.get(kind_of(manifest), key(manifest)), is_default_deny(manifest)
            if self._standing.stands(manifest) or (seen is None and not closing):
                continue
            found = stored(self._api, manifest)
            if found is None and closing:
                self._alarms.cannot_restore(namespace, manifest, loaded.digest)
            elif found is not None and not same(found, manifest):
                outcome = self._mend(manifest, found)
                self._metrics.policies_written.labels(outcome).inc()
                _, why = explained(Cause.REPAIR, outcome)
                self._recording.record(manifest, policy_digest=loaded.digest, why=why)

    def _mend(self, manifest: Manifest, found: Json) -> Outcome:
        try:
            return mend(self._haste.api, manifest, found)
        except ApiError as error:
            self._haste.failed(error)
            raise

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
            self._recording.record(manifest, policy_digest=loaded.digest, why=REMOVED, verb="delete")

    def _stamp(self, namespace: Namespace, loaded: Loaded, around: Surroundings) -> None:
        """Mark a guarded namespace as one, and an exempt one as none; any other mark is somebody's own."""
        if self.wanted.guarded(namespace, loaded, around):
            value, why = GUARDED, LABELLED
        elif loaded.policy.namespaces.exempts(namespace.name):
            value, why = None, UNLABELLED
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
        self._recording.record(manifest, policy_digest=loaded.digest, why=why)

    def _is_gone(self, namespace: Namespace, error: ApiError) -> bool:
        """Whether a write failed because the namespace is going or gone, which is no failure."""
        if error.status not in {NOT_FOUND, FORBIDDEN}:
            return False
        found = self._api.get(path(namespace.name))
        return found is None or "deletionTimestamp" in found["metadata"] or found["metadata"]["uid"] != namespace.uid


def next_share(missing: list[Manifest]) -> tuple[list[Manifest], list[Manifest]]:
    """What one look writes of what is missing, and what is left: the default-deny alone, then that of DNS, then a few at a time.

    The policies come in the order in which they are wanted.
    """
    first = 1 if missing and missing[0]["metadata"]["name"] in {DEFAULT_DENY, ALLOW_DNS} else SHARE
    return missing[:first], missing[first:]


def not_settled(space: str, failed: Mapping[str, ApiError]) -> NotSettled:
    """What could not be written in a namespace, in words."""
    names, error = ", ".join(failed), next(iter(failed.values()))
    if space == NOWHERE:
        return NotSettled(f"the net below all namespaces is not as it should be yet ({names}): {error}")
    state = "is not isolated yet" if DEFAULT_DENY in failed else f"is isolated, and {names} not as it should be yet"
    return NotSettled(f"namespace {space} {state}: {error}")
