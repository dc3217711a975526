"""Alerts about failures that the controller cannot repair: a log line, an audit record, an Event and a gauge of active alerts."""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Lock

from webhook.controller.write_recorder import WriteRecorder
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.events import EventDetails, digest_key, post_event
from webhook.kube.pods import describe_pods, running_pods
from webhook.kube.policies import kind_of
from webhook.kube.policy_mutators import describe_mutators
from webhook.metrics import Metrics
from webhook.model.names import DEFAULT_DENY
from webhook.model.namespace import Namespace
from webhook.model.reason import Reason, ReasonCode
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

Key = tuple[str, str]  # a namespace, and the name of a policy in it or of a finding about it


class Alerts:
    """Publishes each alert once per text, and resolves it; thread-safe."""

    def __init__(self, api: Api, *, recorder: WriteRecorder, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._api = api
        self._recorder = recorder
        self._metrics = metrics
        self._now = now
        self._firing: dict[Key, str] = {}
        self._lock = Lock()

    def fire(self, key: Key, regarding: Manifest, code: ReasonCode, note: str, *, digest: str) -> None:
        """Fire an alert; `code` is the reason of the record and of the Event, `note` is the text for users. Never raises."""
        with self._lock:
            if self._firing.get(key) == note:
                return
            self._firing[key] = note
            self._metrics.not_repaired.set(len(self._firing))
        self._publish(regarding, code, f"not repaired: {note}", note, digest)

    def _publish(self, regarding: Manifest, code: ReasonCode, recorded: str, note: str, digest: str) -> None:
        logger.error("%s", note)
        self._recorder.record(regarding, policy_digest=digest, why=Reason(code, recorded), verb="get")
        post_event(
            self._api, regarding, EventDetails(code, "Repair", note, key=digest_key(f"{code} {note}")), self._now()
        )

    def policy_overwritten(self, manifest: Manifest, found: Json, what: str, digest: str) -> None:
        """Fire an alert: a policy does not stay as catflap writes it. The text names who or what may change it."""
        metadata = manifest["metadata"]
        who = describe_mutators(self._api, kind_of(manifest), found)
        note = f"{manifest['kind']} {metadata['name']} changes after catflap writes it: {what}; possible cause: {who}"
        place = (metadata.get("namespace", ""), metadata["name"])
        self.fire(place, manifest, ReasonCode.POLICY_NOT_REPAIRED, note, digest=digest)

    def default_deny_missing(self, namespace: Namespace, manifest: Manifest, digest: str) -> None:
        """Fire an alert: a terminating namespace lost its default-deny while Pods may still run in it. Raises ApiError."""
        pods = running_pods(self._api, namespace.name)
        if pods:
            note = (
                f"namespace {namespace.name} is being deleted, and its {manifest['kind']} {DEFAULT_DENY} no longer "
                "exists, but "
                f"{describe_pods(pods)} may still run; the API server accepts no new object there, so catflap "
                "cannot restore the policy"
            )
            place = (namespace.name, DEFAULT_DENY)
            self.fire(place, namespace_reference(namespace), ReasonCode.POLICY_NOT_REPAIRED, note, digest=digest)

    def pods_before_isolation(self, namespace: Namespace, digest: str) -> None:
        """Report the Pods that are older than the isolation of a namespace that is younger than catflap. Never raises.

        Normally there are none, as the gate admits a Pod only after it verified the isolation. The exception is a
        namespace that was deleted and created again in between.
        """
        try:
            early = running_pods(self._api, namespace.name)
        except ApiError as error:
            logger.warning(
                "cannot list the Pods that are older than the isolation of namespace %s: %s", namespace.name, error
            )
            return
        if early:
            note = (
                f"{describe_pods(early)} ran in namespace {namespace.name} before it was isolated; delete them, "
                "or check their connections"
            )
            self._metrics.early_pods.inc(len(early))
            self._publish(
                namespace_reference(namespace), ReasonCode.PODS_BEFORE_ISOLATION, f"found: {note}", note, digest
            )

    def resolve(self, key: Key) -> None:
        """Resolve an alert, if it is active."""
        if key not in self._firing:
            return
        with self._lock:
            if self._firing.pop(key, None) is not None:
                self._metrics.not_repaired.set(len(self._firing))
                logger.info("%s/%s is correct again", *key)

    def forget(self, namespace: str) -> None:
        """Resolve all alerts of a namespace that was deleted."""
        for key in [one for one in list(self._firing) if one[0] == namespace]:
            self.resolve(key)


def namespace_reference(namespace: Namespace) -> Manifest:
    """Return the reference to a namespace for Events and records; the Event is created where those of cluster-scoped objects are."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name, "uid": namespace.uid}}
