"""Events: what people see by `kubectl get events` of what we did, and of what somebody has to do."""

import logging
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from msgspec import Struct

from webhook.kube.api import Api, ApiError
from webhook.kube.policies import Outcome
from webhook.model.names import POLICY_CONFIGMAP
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

REPORTER = "catflap-controller"
# The API takes no longer note (events.k8s.io/v1).
NOTE_LENGTH = 1024
KEY_LENGTH = 16
CLUSTERWIDE = "default"  # where the API takes Events on what is in no namespace


class Happened(Struct, frozen=True):
    """What is told: `reason` and `action` are one word each, `note` is for people.

    Two of one `key` about one object are one: replicas see the same, and tell it once.
    """

    reason: str
    action: str
    note: str
    key: str = ""


def announce(api: Api, manifest: Manifest, outcome: Outcome, at: datetime) -> None:
    """One Event for one repair."""
    did = "was deleted and is back" if outcome is Outcome.CREATED else "was edited and says again what it should"
    note = f"{manifest['kind']} {manifest['metadata']['name']} {did}"
    tell(api, manifest, Happened("PolicyRestored", "Restore", note), at)


def policy_file(namespace: str) -> Manifest:
    """The policy file's ConfigMap, for Events about it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": POLICY_CONFIGMAP, "namespace": namespace}}


def refused_file(api: Api, namespace: str, faults: str, at: datetime) -> None:
    """One Event for one policy file that is refused; another one only for other faults."""
    note = f"the last good file stays in force: {faults}"
    tell(api, policy_file(namespace), Happened("PolicyFileRefused", "Read", note, key=named_by(faults)), at)


def named_by(text: str) -> str:
    """What names an Event by what it says."""
    return sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def tell(api: Api, regarding: Manifest, happened: Happened, at: datetime) -> None:
    """One Event about an object; a cluster that does not take it loses no more than the Event."""
    metadata = regarding["metadata"]
    space = metadata.get("namespace", CLUSTERWIDE)
    event: dict[str, Any] = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{happened.key or uuid4().hex[:KEY_LENGTH]}", "namespace": space},
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning",
        "reason": happened.reason,
        "action": happened.action,
        "note": happened.note[:NOTE_LENGTH],
        "reportingController": f"catflap.dev/{REPORTER}",
        "reportingInstance": REPORTER,
        "regarding": {
            "apiVersion": regarding["apiVersion"],
            "kind": regarding["kind"],
            **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
            "name": metadata["name"],
        },
    }
    try:
        api.create(f"/apis/events.k8s.io/v1/namespaces/{space}/events", event)
    except ApiError as error:
        logger.warning("no Event on %s/%s: %s", space, metadata["name"], error)
