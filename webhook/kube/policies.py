"""Where our manifests live, and how they get there."""

from enum import StrEnum
from typing import Any

from webhook.kube import paths
from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.model.kinds import POLICIES_BY_KIND, PolicyKind
from webhook.model.names import FIELD_MANAGER, MANAGED_BY, MANAGED_BY_LABEL, OUR_PREFIX
from webhook.netpol.manifest import Manifest

OUR_LABEL = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


def kind_of(manifest: Manifest) -> PolicyKind:
    """Which resource a manifest is of."""
    return POLICIES_BY_KIND[manifest["apiVersion"].rpartition("/")[0], manifest["kind"]]


def collection(kind: PolicyKind, namespace: str = "") -> str:
    """The path of a resource, in one namespace or in all."""
    return paths.collection(f"{kind.group}/{kind.version}", kind.resource, namespace)


def collection_of(manifest: Manifest) -> str:
    """The path of the policies among which a manifest belongs."""
    return collection(kind_of(manifest), manifest["metadata"].get("namespace", ""))


def path(manifest: Manifest) -> str:
    """The path of a policy, of either engine."""
    return paths.under(collection_of(manifest), manifest["metadata"]["name"])


class Outcome(StrEnum):
    """What had to be done for a manifest to stand."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    REPAIRED = "repaired"


def stored(api: Api, manifest: Manifest) -> Json | None:
    """What stands under a manifest's name.  Raises ApiError."""
    return api.get(path(manifest))


def ensure(api: Api, manifest: Manifest) -> Outcome:
    """See that a manifest stands as it is, in place: it is never deleted to be made anew.  Raises ApiError.

    Server-side apply would leave what others added to the spec, an `ingress` that opens it for one, and not tell a
    creation from a change; so what is missing is created, and what differs is replaced whole, at the version that was read.
    """
    found = stored(api, manifest)
    if found is None:
        if api.create(collection_of(manifest), dict(manifest)) is not None:
            return Outcome.CREATED
        found = stored(api, manifest)  # somebody was faster, most likely another replica
    if found is None:
        raise ApiError(CONFLICT, f"{path(manifest)} came and went while it was written")
    if same(found, manifest):
        return Outcome.UNCHANGED
    api.replace(path(manifest), replacement(found, manifest))
    return Outcome.REPAIRED


def replacement(found: Json, manifest: Manifest) -> Json:
    """The manifest over what stands: our spec whole, our labels and annotations among those that others set."""
    kept, ours = found["metadata"], manifest["metadata"]
    metadata = {**kept, **{key: {**(kept.get(key) or {}), **ours[key]} for key in ("labels", "annotations")}}
    return {**manifest, "metadata": metadata}


def remove(api: Api, kind: PolicyKind, found: Json) -> bool:
    """Delete a policy as a watch saw it; False where it is gone.  Raises ApiError, 409 where it changed since."""
    metadata = found["metadata"]
    where = paths.under(collection(kind, metadata.get("namespace", "")), metadata["name"])
    return api.delete(where, uid=metadata["uid"], version=metadata["resourceVersion"])


def ours(api: Api, kind: PolicyKind) -> list[Json]:
    """Our policies of one kind; none where the cluster does not take it.  Raises ApiError."""
    found = api.get(collection(kind), labelSelector=OUR_LABEL) or {}
    return [one for one in found.get("items", ()) if is_ours(one)]


def is_ours(found: Json) -> bool:
    """Whether we wrote a policy: our name, our label and our field manager, all three; users may forge one or two."""
    metadata = found["metadata"]
    labelled = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY
    managers = {entry.get("manager") for entry in metadata.get("managedFields") or ()}
    return metadata["name"].startswith(OUR_PREFIX) and labelled and FIELD_MANAGER in managers


def closes(found: Json | None, manifest: Manifest) -> bool:
    """Whether what stands is the policy that the manifest says: its whole spec, whatever its labels claim."""
    return found is not None and found.get("spec") == manifest["spec"]


def same(found: Json, manifest: Manifest) -> bool:
    """Whether what stands says the same as the manifest: the whole spec, and our labels."""
    labels: dict[str, Any] = found["metadata"].get("labels") or {}
    wanted = manifest["metadata"]["labels"]
    return closes(found, manifest) and all(labels.get(key) == wanted[key] for key in wanted)
