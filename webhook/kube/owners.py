"""The owners above an object, asked live and believed only where each of them is there as its reference says."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from msgspec import Struct

from webhook.kube.api import Api, Json
from webhook.kube.namespaces import parse_time
from webhook.kube.paths import collection, is_segment, under
from webhook.model.workload import Owner

# The resources of Kubernetes' own controllers that own Pods, directly or through one another.
RESOURCES: Mapping[tuple[str, str], str] = {
    ("v1", "ReplicationController"): "replicationcontrollers",
    ("apps/v1", "DaemonSet"): "daemonsets",
    ("apps/v1", "Deployment"): "deployments",
    ("apps/v1", "ReplicaSet"): "replicasets",
    ("apps/v1", "StatefulSet"): "statefulsets",
    ("batch/v1", "CronJob"): "cronjobs",
    ("batch/v1", "Job"): "jobs",
}
# Who is made by something else of these; of the others nobody is, whatever references a user writes into them.
MADE = frozenset({("apps/v1", "ReplicaSet"), ("batch/v1", "Job")})
# Pod, ReplicaSet, Deployment; Pod, Job, CronJob: no chain of Kubernetes' own is longer.
DEEPEST = 3


class OwnerFound(Struct, frozen=True):
    """An owner as the API server has it."""

    owner: Owner
    created: datetime
    content: Json


def owners_above(api: Api, namespace: str, owner: Owner) -> Iterator[OwnerFound]:
    """The owners above an object in its namespace, the nearest first; it ends at the first claim that is not true.

    At most DEEPEST lookups, within the budget of `api`.  Raises ApiError.
    """
    step: Owner | None = owner
    for _ in range(DEEPEST):
        found = lookup(api, namespace, step) if step else None
        if step is None or found is None:
            return
        yield OwnerFound(step, parse_time(found["metadata"]["creationTimestamp"]), found)
        step = controller_of(found) if (step.api_version, step.kind) in MADE else None


def stands(api: Api, namespace: str, owner: Owner) -> bool:
    """Whether a claimed owner is a known controller that is there under the uid that the reference names.  Raises ApiError."""
    return lookup(api, namespace, owner) is not None


def lookup(api: Api, namespace: str, owner: Owner) -> Json | None:
    """The object that a reference names, if one of that kind, name and uid is in that namespace; None otherwise.

    What cannot be a name is not asked about.  Raises ApiError.
    """
    resource = RESOURCES.get((owner.api_version, owner.kind))
    if resource is None or not (is_segment(owner.name) and is_segment(namespace)):
        return None
    found = api.get(under(collection(owner.api_version, resource, namespace), owner.name))
    if found is None:
        return None
    metadata = found["metadata"]
    told = tuple(metadata.get(key) for key in ("namespace", "name", "uid"))
    return found if told == (namespace, owner.name, owner.uid) else None


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
