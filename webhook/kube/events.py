"""Events: what people see by `kubectl get events` of what we did."""

import logging
from datetime import datetime
from uuid import uuid4

from webhook.kube.api import Api, ApiError
from webhook.kube.policies import Outcome
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

REPORTER = "catflap-controller"
# The API takes no longer note (events.k8s.io/v1).
NOTE_LENGTH = 1024
CLUSTERWIDE = "default"  # where the API takes Events on what is in no namespace


def announce(api: Api, manifest: Manifest, outcome: Outcome, at: datetime) -> None:
    """One Event for one repair; a cluster that does not take it loses no more than the Event."""
    metadata = manifest["metadata"]
    space = metadata.get("namespace", CLUSTERWIDE)
    did = "was deleted and is back" if outcome is Outcome.CREATED else "was edited and says again what it should"
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{uuid4().hex[:16]}", "namespace": space},
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "type": "Warning",
        "reason": "PolicyRestored",
        "action": "Restore",
        "note": f"{manifest['kind']} {metadata['name']} {did}"[:NOTE_LENGTH],
        "reportingController": f"catflap.dev/{REPORTER}",
        "reportingInstance": REPORTER,
        "regarding": {
            "apiVersion": manifest["apiVersion"],
            "kind": manifest["kind"],
            **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
            "name": metadata["name"],
        },
    }
    try:
        api.create(f"/apis/events.k8s.io/v1/namespaces/{space}/events", event)
    except ApiError as error:
        logger.warning("no Event on %s/%s: %s", space, metadata["name"], error)
