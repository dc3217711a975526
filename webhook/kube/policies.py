"""Read, write and compare catflap's policies on the API server."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from webhook.kube import paths
from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.model.kinds import POLICIES_BY_KIND, PolicyKind
from webhook.model.names import FIELD_MANAGER, MANAGED_BY, MANAGED_BY_LABEL, POLICY_NAME_PREFIX
from webhook.netpol.manifest import Manifest

# catflap's policies have none of these. An owner counts as a difference, since the garbage collector would delete the policy with it.
# A finalizer does not: the network policy controller of Amazon's CNI adds its own to every policy, and would add it again.
OWNERS: Final = "ownerReferences"
DROPPED_METADATA: Final = (OWNERS, "finalizers")
OWN_LABEL_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"


def kind_of(manifest: Manifest) -> PolicyKind:
    """Return the resource of a manifest."""
    return POLICIES_BY_KIND[manifest["apiVersion"].rpartition("/")[0], manifest["kind"]]


def collection(kind: PolicyKind, namespace: str = "") -> str:
    """Return the path of a resource, in one namespace or in all."""
    return paths.collection(f"{kind.group}/{kind.version}", kind.resource, namespace)


def collection_of(manifest: Manifest) -> str:
    """Return the path of the collection of a manifest."""
    return collection(kind_of(manifest), manifest["metadata"].get("namespace", ""))


def path(manifest: Manifest) -> str:
    """Return the path of a policy of either engine."""
    return paths.under(collection_of(manifest), manifest["metadata"]["name"])


class WriteOutcome(StrEnum):
    """The write that a policy needed; a policy that was `replaced` had never been written by catflap."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    REPAIRED = "repaired"
    REPLACED = "replaced"


def read_stored(api: Api, manifest: Manifest) -> Json | None:
    """Return the stored object with a manifest's name; None where there is none.  Raises ApiError."""
    return api.get(path(manifest))


class PolicyAlteredError(ApiError):
    """The API server stored a policy that differs from the request, so something changes it on the way; `found` is the stored one."""

    def __init__(self, manifest: Manifest, found: Json) -> None:
        self.manifest, self.found = manifest, found
        parts = ", ".join(differing_fields(found, manifest))
        metadata = manifest["metadata"]
        name = f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        super().__init__(CONFLICT, f"{name} is stored with other values than catflap wrote; differences: {parts}")


def ensure_policy(api: Api, manifest: Manifest) -> WriteOutcome:
    """Create a missing policy, and replace one that differs from its manifest; never delete and create again.

    Server-side apply would keep what others added to the spec, for example an `ingress` that opens the policy, and would not distinguish
    a creation from a change. So a policy that differs is replaced whole, at the version that was read. A write counts only where the
    response equals what was written.  Raises ApiError, PolicyAlteredError.
    """
    found = read_stored(api, manifest)
    if found is None:
        made = api.create(collection_of(manifest), dict(manifest))
        if made is not None:
            return verified_outcome(made, manifest, WriteOutcome.CREATED)
        found = read_stored(api, manifest)  # another writer was faster, most likely another replica
    if found is None:
        raise ApiError(CONFLICT, f"{path(manifest)} was created and deleted during the write")
    if matches_manifest(found, manifest):
        return WriteOutcome.UNCHANGED
    return repair(api, manifest, found)


def repair(api: Api, manifest: Manifest, found: Json) -> WriteOutcome:
    """Replace a stored policy by its manifest.  Raises ApiError, PolicyAlteredError."""
    outcome = WriteOutcome.REPAIRED if FIELD_MANAGER in field_managers(found) else WriteOutcome.REPLACED
    return verified_outcome(api.replace(path(manifest), replacement(found, manifest)), manifest, outcome)


def verified_outcome(answer: Json, manifest: Manifest, outcome: WriteOutcome) -> WriteOutcome:
    """Return the outcome of a write, if the response equals what was written; raises PolicyAlteredError otherwise."""
    if not matches_manifest(answer, manifest):
        raise PolicyAlteredError(manifest, answer)
    return outcome


def replacement(found: Json, manifest: Manifest) -> Json:
    """Return the object to write over a stored one: the manifest's spec, its labels and annotations, and the labels and annotations of others.

    Owners and finalizers are dropped: the creator of an object of the same name may have tied it to another object.
    """
    kept = {key: value for key, value in found["metadata"].items() if key not in DROPPED_METADATA}
    own_policies = manifest["metadata"]
    metadata = {**kept, **{key: {**(kept.get(key) or {}), **own_policies[key]} for key in ("labels", "annotations")}}
    return {**manifest, "metadata": metadata}


def delete_policy(api: Api, kind: PolicyKind, found: Json) -> bool:
    """Delete a policy in the version that a watch saw; return False where it is gone.  Raises ApiError, 409 where it changed since."""
    metadata = found["metadata"]
    where = paths.under(collection(kind, metadata.get("namespace", "")), metadata["name"])
    return api.delete(where, uid=metadata["uid"], version=metadata["resourceVersion"])


def own_policies(api: Api, kind: PolicyKind) -> list[Json]:
    """Return catflap's policies of one kind; none where the cluster does not serve the kind.  Raises ApiError."""
    found = api.get(collection(kind), labelSelector=OWN_LABEL_SELECTOR) or {}
    return [one for one in found.get("items", ()) if is_own_policy(one)]


def is_own_policy(found: Json) -> bool:
    """Return whether catflap wrote a policy: its name, its label and its field manager all match; users may forge one or two of them."""
    metadata = found["metadata"]
    labelled = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY
    return metadata["name"].startswith(POLICY_NAME_PREFIX) and labelled and FIELD_MANAGER in field_managers(found)


def field_managers(found: Json) -> set[str]:
    """Return the field managers that own a field of an object."""
    return {entry.get("manager", "") for entry in found["metadata"].get("managedFields") or ()}


def matches_spec(found: Json | None, manifest: Manifest) -> bool:
    """Return whether a stored policy has the whole spec of the manifest, whatever its labels are."""
    return found is not None and found.get("spec") == manifest["spec"]


def matches_manifest(found: Json, manifest: Manifest) -> bool:
    """Return whether a stored policy equals the manifest: the whole spec, catflap's labels, and no owner."""
    return not any(differing_fields(found, manifest))


def differing_fields(found: Json, manifest: Manifest) -> Iterator[str]:
    """Yield the fields in which a stored policy differs from the manifest."""
    if not matches_spec(found, manifest):
        spec, wanted = found.get("spec") or {}, manifest["spec"]
        yield from (f"spec.{key}" for key in sorted({*spec, *wanted}) if spec.get(key) != wanted.get(key))
        if not isinstance(found.get("spec"), dict):
            yield "spec"
    metadata = found["metadata"]
    labels: dict[str, Any] = metadata.get("labels") or {}
    wanted_labels = manifest["metadata"]["labels"]
    yield from (f"metadata.labels.{key}" for key in wanted_labels if labels.get(key) != wanted_labels[key])
    if metadata.get(OWNERS):
        yield f"metadata.{OWNERS}"
