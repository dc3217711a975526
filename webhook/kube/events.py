"""Post Events about catflap's actions and about problems that a user has to solve."""

import logging
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from msgspec import Struct

from webhook.kube import paths
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.policies import WriteOutcome
from webhook.model.names import INSTALL_RECORD_CONFIGMAP, POLICY_CONFIGMAP
from webhook.model.reason import ReasonCode
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

# The limit of the API for a note (events.k8s.io/v1), in bytes.
NOTE_LENGTH = 1024
KEY_LENGTH = 16
CLUSTER_SCOPED_EVENTS_NAMESPACE = "default"  # the API accepts Events about cluster-scoped objects here


class Reporter(Struct, frozen=True):
    """The process that reports an Event, and its replica."""

    process: str
    instance: str


CONTROLLER = Reporter(
    "catflap-controller", "catflap-controller"
)  # all replicas report the same Event, so it is posted once


class EventDetails(Struct, frozen=True):
    """The content of an Event: `reason` and `action` are one word each, `note` is a text for users.

    Two Events with the same `key` about one object are the same Event: replicas see the same, and one of them posts it.
    `type` is the API's own word, `Normal` or `Warning`.
    """

    reason: str
    action: str
    note: str
    key: str = ""
    type: str = "Warning"


def post_repair_event(api: Api, manifest: Manifest, outcome: WriteOutcome, at: datetime) -> None:
    """Post one Event about one repair."""
    post_event(api, manifest, repair_details(manifest, outcome), at)


def repair_details(manifest: Manifest, outcome: WriteOutcome) -> EventDetails:
    """Return the content of the Event about one repair."""
    did = (
        ("was deleted, and catflap created it again")
        if outcome is WriteOutcome.CREATED
        else "was edited, and catflap restored it"
    )
    return EventDetails(
        ReasonCode.POLICY_RESTORED, "Restore", f"{manifest['kind']} {manifest['metadata']['name']} {did}"
    )


def policy_file_reference(namespace: str) -> Manifest:
    """Return a reference to the policy file's ConfigMap, for Events about it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": POLICY_CONFIGMAP, "namespace": namespace}}


def post_policy_file_refused(api: Api, namespace: str, faults: str, at: datetime) -> None:
    """Post one Event about a refused policy file; a file with the same faults gets no second one."""
    note = f"the last valid policy stays in force: {faults}"
    post_event(
        api,
        policy_file_reference(namespace),
        EventDetails(ReasonCode.POLICY_FILE_REFUSED, "Read", note, key=digest_key(faults)),
        at,
    )


def post_policy_file_missing(api: Api, namespace: str, note: str, at: datetime) -> None:
    """Post one Event about a missing policy file; replicas post it once."""
    post_event(
        api,
        policy_file_reference(namespace),
        EventDetails("PolicyFileMissing", "Read", note, key=digest_key("missing")),
        at,
    )


def post_invalid_install_record(api: Api, namespace: str, note: str, at: datetime) -> None:
    """Post one Event about an impossible install record."""
    about = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": INSTALL_RECORD_CONFIGMAP, "namespace": namespace},
    }
    post_event(api, about, EventDetails("InstallationRecordNotBelieved", "Read", note, key=digest_key(note)), at)


def post_name_servers_found(api: Api, namespace: str, note: str, at: datetime) -> None:
    """Post one Event about the detected name servers; another one only where they change."""
    happened = EventDetails("NameServersFound", "Look", note, key=digest_key(note), type="Normal")
    post_event(api, policy_file_reference(namespace), happened, at)


def digest_key(text: str) -> str:
    """Return the part of an Event's name that is derived from its text."""
    return sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def post_event(api: Api, regarding: Manifest, happened: EventDetails, at: datetime) -> None:
    """Post one Event about an object; log a failure, which has no other effect."""
    event = build_event(regarding, happened, at, CONTROLLER)
    try:
        api.create(collection(event), event)
    except ApiError as error:
        space, name = event["metadata"]["namespace"], regarding["metadata"]["name"]
        logger.warning("cannot write an Event on %s/%s: %s", space, name, error)


def build_event(regarding: Manifest, happened: EventDetails, at: datetime, reporter: Reporter) -> Json:
    """Return one Event about an object."""
    metadata = regarding["metadata"]
    about = {key: metadata[key] for key in ("namespace", "name", "uid") if metadata.get(key)}
    name = f"{metadata['name']}.{happened.key or uuid4().hex[:KEY_LENGTH]}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": metadata.get("namespace", CLUSTER_SCOPED_EVENTS_NAMESPACE)},
        "eventTime": micro_time(at),
        "type": happened.type,
        "reason": happened.reason,
        "action": happened.action,
        "note": truncated_note(happened.note),
        "reportingController": f"catflap.dev/{reporter.process}",
        "reportingInstance": reporter.instance,
        "regarding": {"apiVersion": regarding["apiVersion"], "kind": regarding["kind"], **about},
    }


def series_patch(count: int, at: datetime) -> dict[str, Any]:
    """Return the patch for an Event that occurred `count` times, the last time at `at`."""
    return {"series": {"count": count, "lastObservedTime": micro_time(at)}}


def collection(event: Json) -> str:
    """Return the path of the Events in an Event's namespace."""
    return paths.collection("events.k8s.io/v1", "events", event["metadata"]["namespace"])


def micro_time(at: datetime) -> str:
    """Return a time as Kubernetes' MicroTime."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def truncated_note(note: str) -> str:
    """Return a note within the API's limit, cut between characters."""
    whole = note.encode()
    return note if len(whole) <= NOTE_LENGTH else whole[: NOTE_LENGTH - len("…".encode())].decode(errors="ignore") + "…"
