"""What the controller cannot put right by itself: logged, on record, told as an Event, and counted as long as it lasts."""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Lock

from webhook.controller.recording import Recording
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.culprits import suspects
from webhook.kube.events import Happened, named_by, tell
from webhook.kube.pods import running_pods, said
from webhook.kube.policies import kind_of
from webhook.metrics import Metrics
from webhook.model.names import DEFAULT_DENY
from webhook.model.namespace import Namespace
from webhook.model.reason import Reason, ReasonCode
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

Key = tuple[str, str]  # a namespace, and the name of the policy in it or of the finding about it


class Alarms:
    """Raises each alarm once for each text, and ends it; safe to share between threads."""

    def __init__(self, api: Api, *, recording: Recording, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._api = api
        self._recording = recording
        self._metrics = metrics
        self._now = now
        self._raised: dict[Key, str] = {}
        self._lock = Lock()

    def sound(self, key: Key, regarding: Manifest, code: ReasonCode, note: str, *, digest: str) -> None:
        """Say that something is wrong; `code` is for the record and the Event, `note` is for people.  Never raises."""
        with self._lock:
            if self._raised.get(key) == note:
                return
            self._raised[key] = note
            self._metrics.not_repaired.set(len(self._raised))
        self._say(regarding, code, f"not repaired: {note}", note, digest)

    def _say(self, regarding: Manifest, code: ReasonCode, recorded: str, note: str, digest: str) -> None:
        logger.error("%s", note)
        self._recording.record(regarding, policy_digest=digest, why=Reason(code, recorded), verb="get")
        tell(self._api, regarding, Happened(code, "Repair", note, key=named_by(f"{code} {note}")), self._now())

    def changed_by_others(self, manifest: Manifest, found: Json, what: str, digest: str) -> None:
        """Say that a policy does not stay as it is written, and who or what may change it."""
        metadata = manifest["metadata"]
        who = suspects(self._api, kind_of(manifest), found)
        note = f"{manifest['kind']} {metadata['name']} does not stay as catflap writes it: {what}; what may change it: {who}"
        place = (metadata.get("namespace", ""), metadata["name"])
        self.sound(place, manifest, ReasonCode.POLICY_NOT_REPAIRED, note, digest=digest)

    def cannot_restore(self, namespace: Namespace, manifest: Manifest, digest: str) -> None:
        """Say that a namespace that is being deleted has lost its default-deny, if Pods may still run in it.  Raises ApiError."""
        pods = running_pods(self._api, namespace.name)
        if pods:
            note = (
                f"namespace {namespace.name} is being deleted and its {manifest['kind']} {DEFAULT_DENY} is gone, while "
                f"{said(pods)} may still run; the API server takes no new object there, so it cannot be restored"
            )
            place = (namespace.name, DEFAULT_DENY)
            self.sound(place, about(namespace), ReasonCode.POLICY_NOT_REPAIRED, note, digest=digest)

    def early_pods(self, namespace: Namespace, digest: str) -> None:
        """Say which Pods are older than the isolation of their namespace, though that is younger than catflap; never raises.

        There should be none: a Pod is stored only after the proof. But the namespace may be deleted and made again in between.
        """
        try:
            early = running_pods(self._api, namespace.name)
        except ApiError as error:
            logger.warning(
                "Pods older than the isolation of namespace %s are not looked for: %s", namespace.name, error
            )
            return
        if early:
            note = f"{said(early)} ran in namespace {namespace.name} before it was isolated; delete them, or find out whom they reached"
            self._metrics.early_pods.inc(len(early))
            self._say(about(namespace), ReasonCode.PODS_BEFORE_ISOLATION, f"found: {note}", note, digest)

    def over(self, key: Key) -> None:
        """It is right again."""
        if key not in self._raised:
            return
        with self._lock:
            if self._raised.pop(key, None) is not None:
                self._metrics.not_repaired.set(len(self._raised))
                logger.info("%s/%s is as it should be again", *key)

    def forget(self, namespace: str) -> None:
        """The namespace is gone."""
        for key in [one for one in list(self._raised) if one[0] == namespace]:
            self.over(key)


def about(namespace: Namespace) -> Manifest:
    """A namespace as what an Event and a record are about; the Event lies where those on objects in no namespace do."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace.name, "uid": namespace.uid}}
