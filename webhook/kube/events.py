"""Events: what people see by `kubectl get events` of what we did, and of what somebody has to do."""

import logging
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from msgspec import Struct

from webhook.kube import paths
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.policies import Outcome
from webhook.model.names import EPOCH_CONFIGMAP, POLICY_CONFIGMAP
from webhook.model.reason import ReasonCode
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

# The API takes no longer note (events.k8s.io/v1), in bytes.
NOTE_LENGTH = 1024
KEY_LENGTH = 16
CLUSTERWIDE = "default"  # where the API takes Events on what is in no namespace


class Reporter(Struct, frozen=True):
    """Which of our processes tells, and which replica of it."""

    process: str
    instance: str


CONTROLLER = Reporter("catflap-controller", "catflap-controller")  # replicas see the same, and tell it once


class Happened(Struct, frozen=True):
    """What is told: `reason` and `action` are one word each, `note` is for people.

    Two of one `key` about one object are one: replicas see the same, and tell it once. `type` is the API's own word, `Normal` or `Warning`.
    """

    reason: str
    action: str
    note: str
    key: str = ""
    type: str = "Warning"


def announce(api: Api, manifest: Manifest, outcome: Outcome, at: datetime) -> None:
    """One Event for one repair."""
    tell(api, manifest, restored(manifest, outcome), at)


def restored(manifest: Manifest, outcome: Outcome) -> Happened:
    """What is told of one repair."""
    did = "was deleted and is back" if outcome is Outcome.CREATED else "was edited and says again what it should"
    return Happened(ReasonCode.POLICY_RESTORED, "Restore", f"{manifest['kind']} {manifest['metadata']['name']} {did}")


def policy_file(namespace: str) -> Manifest:
    """The policy file's ConfigMap, for Events about it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": POLICY_CONFIGMAP, "namespace": namespace}}


def refused_file(api: Api, namespace: str, faults: str, at: datetime) -> None:
    """One Event for one policy file that is refused; another one only for other faults."""
    note = f"the last good file stays in force: {faults}"
    tell(api, policy_file(namespace), Happened(ReasonCode.POLICY_FILE_REFUSED, "Read", note, key=named_by(faults)), at)


def missing_file(api: Api, namespace: str, note: str, at: datetime) -> None:
    """One Event for a policy file that is missing; replicas tell it once."""
    tell(api, policy_file(namespace), Happened("PolicyFileMissing", "Read", note, key=named_by("missing")), at)


def bad_record(api: Api, namespace: str, note: str, at: datetime) -> None:
    """One Event for a record of the installation that cannot be true."""
    about = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": EPOCH_CONFIGMAP, "namespace": namespace}}
    tell(api, about, Happened("InstallationRecordNotBelieved", "Read", note, key=named_by(note)), at)


def found_servers(api: Api, namespace: str, note: str, at: datetime) -> None:
    """One Event for the name servers that were found; another one only where these change."""
    happened = Happened("NameServersFound", "Look", note, key=named_by(note), type="Normal")
    tell(api, policy_file(namespace), happened, at)


def named_by(text: str) -> str:
    """What names an Event by what it says."""
    return sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def tell(api: Api, regarding: Manifest, happened: Happened, at: datetime) -> None:
    """One Event about an object; a cluster that does not take it loses no more than the Event."""
    told = event(regarding, happened, at, CONTROLLER)
    try:
        api.create(collection(told), told)
    except ApiError as error:
        space, name = told["metadata"]["namespace"], regarding["metadata"]["name"]
        logger.warning("no Event on %s/%s: %s", space, name, error)


def event(regarding: Manifest, happened: Happened, at: datetime, reporter: Reporter) -> Json:
    """One Event about an object."""
    metadata = regarding["metadata"]
    about = {key: metadata[key] for key in ("namespace", "name", "uid") if metadata.get(key)}
    name = f"{metadata['name']}.{happened.key or uuid4().hex[:KEY_LENGTH]}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata.get("namespace", CLUSTERWIDE)},
        "eventTime": stamp(at),
        "type": happened.type,
        "reason": happened.reason,
        "action": happened.action,
        "note": fitted(happened.note),
        "reportingController": f"catflap.dev/{reporter.process}",
        "reportingInstance": reporter.instance,
        "regarding": {"apiVersion": regarding["apiVersion"], "kind": regarding["kind"], **about},
    }


def series(count: int, at: datetime) -> dict[str, Any]:
    """What is written onto an Event that happened `count` times, the last time at this moment."""
    return {"series": {"count": count, "lastObservedTime": stamp(at)}}


def collection(told: Json) -> str:
    """The path of the Events among which one belongs."""
    return paths.collection("events.k8s.io/v1", "events", told["metadata"]["namespace"])


def stamp(at: datetime) -> str:
    """A time as Events have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def fitted(note: str) -> str:
    """A note that is no longer than the API takes, cut between characters."""
    whole = note.encode()
    return note if len(whole) <= NOTE_LENGTH else whole[: NOTE_LENGTH - len("…".encode())].decode(errors="ignore") + "…"
