"""How old the topmost owner of an object is, asked live."""

from collections.abc import Mapping
from datetime import datetime

from webhook.kube.api import Api, Json
from webhook.kube.namespaces import parse_time
from webhook.model.workload import Owner

# Kubernetes' own controllers that own Pods, directly or through one another.
COLLECTIONS: Mapping[tuple[str, str], str] = {
    ("v1", "ReplicationController"): "/api/v1/namespaces/{}/replicationcontrollers",
    ("apps/v1", "DaemonSet"): "/apis/apps/v1/namespaces/{}/daemonsets",
    ("apps/v1", "Deployment"): "/apis/apps/v1/namespaces/{}/deployments",
    ("apps/v1", "ReplicaSet"): "/apis/apps/v1/namespaces/{}/replicasets",
    ("apps/v1", "StatefulSet"): "/apis/apps/v1/namespaces/{}/statefulsets",
    ("batch/v1", "CronJob"): "/apis/batch/v1/namespaces/{}/cronjobs",
    ("batch/v1", "Job"): "/apis/batch/v1/namespaces/{}/jobs",
}
# Who is made by something else of these; of the others nobody is, whatever references a user writes into them.
MADE = frozenset({("apps/v1", "ReplicaSet"), ("batch/v1", "Job")})
# Pod, ReplicaSet, Deployment; Pod, Job, CronJob: no chain of Kubernetes' own is longer.
DEEPEST = 3


def top_owner_created(api: Api, namespace: str, owner: Owner) -> datetime | None:
    """When the topmost known controller above an object was created; None where the claimed owner is not there.

    Each step is believed only if the object found has the uid that the reference names. Raises ApiError.
    """
    created: datetime | None = None
    step: Owner | None = owner
    for _ in range(DEEPEST):
        collection = COLLECTIONS.get((step.api_version, step.kind)) if step else None
        if step is None or collection is None:
            break
        found = api.get(f"{collection.format(namespace)}/{step.name}")
        if found is None or found["metadata"]["uid"] != step.uid:
            break
        created = parse_time(found["metadata"]["creationTimestamp"])
        step = controller_of(found) if (step.api_version, step.kind) in MADE else None
    return created


def stands(api: Api, namespace: str, owner: Owner) -> bool:
    """Whether a claimed owner is a known controller that is there under the uid that the reference names.  Raises ApiError."""
    collection = COLLECTIONS.get((owner.api_version, owner.kind))
    found = api.get(f"{collection.format(namespace)}/{owner.name}") if collection else None
    return found is not None and bool(found["metadata"]["uid"] == owner.uid)


def controller_of(source: Json) -> Owner | None:
    """The owner that an object names as its controller."""
    for reference in source["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(
                api_version=reference["apiVersion"],
                kind=reference["kind"],
                name=reference["name"],
                uid=reference["uid"],
            )
    return None
