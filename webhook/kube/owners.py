"""Look up the owners above an object; only owners that exist exactly as their reference says count."""

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
# The kinds that have an owner themselves. The others have none, whatever references a user writes into them.
OWNED_KINDS = frozenset({("apps/v1", "ReplicaSet"), ("batch/v1", "Job")})
# Pod, ReplicaSet, Deployment; Pod, Job, CronJob: no chain of Kubernetes' own controllers is longer.
MAX_OWNERS = 3


class OwnerFound(Struct, frozen=True):
    """An owner that exists on the API server."""

    owner: Owner
    created: datetime
    content: Json


def owners_above(api: Api, namespace: str, owner: Owner) -> Iterator[OwnerFound]:
    """Yield the owners above an object in its namespace, the nearest first; stop at the first reference that is not true.

    Needs at most MAX_OWNERS requests, within the time limit of `api`.  Raises ApiError.
    """
    step: Owner | None = owner
    for _ in range(MAX_OWNERS):
        found = find_owner(api, namespace, step) if step else None
        if step is None or found is None:
            return
        yield OwnerFound(step, parse_time(found["metadata"]["creationTimestamp"]), found)
        step = controller_of(found) if (step.api_version, step.kind) in OWNED_KINDS else None


def owner_exists(api: Api, namespace: str, owner: Owner) -> bool:
    """Return whether a claimed owner is of a known kind and exists with the uid of the reference.  Raises ApiError."""
    return find_owner(api, namespace, owner) is not None


def find_owner(api: Api, namespace: str, owner: Owner) -> Json | None:
    """Return the object that a reference names, if it has that kind, name and uid in that namespace; None otherwise.

    An invalid name causes no request.  Raises ApiError.
    """
    resource = RESOURCES.get((owner.api_version, owner.kind))
    if resource is None or not (is_segment(owner.name) and is_segment(namespace)):
        return None
    found = api.get(under(collection(owner.api_version, resource, namespace), owner.name))
    if found is None:
        return None
    metadata = found["metadata"]
    actual = tuple(metadata.get(key) for key in ("namespace", "name", "uid"))
    return found if actual == (namespace, owner.name, owner.uid) else None


def controller_of(source: Json) -> Owner | None:
    """Return the owner that an object names as its controller."""
    for reference in source["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(
                api_version=reference["apiVersion"],
                kind=reference["kind"],
                name=reference["name"],
                uid=reference["uid"],
            )
    return None
