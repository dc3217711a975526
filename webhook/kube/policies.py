"""Where our manifests live, and how they get there."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from webhook.kube import paths
from webhook.kube.api import CONFLICT, Api, ApiError, Json
from webhook.model.kinds import POLICIES_BY_KIND, PolicyKind
from webhook.model.names import FIELD_MANAGER, MANAGED_BY, MANAGED_BY_LABEL, POLICY_NAME_PREFIX
from webhook.netpol.manifest import Manifest

# No policy of ours has any. An owner counts as a difference, since the garbage collector would delete the policy with it; a
# finalizer does not, for the network policy controller of Amazon's CNI adds its own to every policy, and would again.
OWNERS: Final = "ownerReferences"
FOREIGN: Final = (OWNERS, "finalizers")
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
    """What had to be done for a manifest to stand; what was `replaced` was never written by catflap."""

    UNCHANGED = "unchanged"
    CREATED = "created"
    REPAIRED = "repaired"
    REPLACED = "replaced"


def stored(api: Api, manifest: Manifest) -> Json | None:
    """What stands under a manifest's name.  Raises ApiError."""
    return api.get(path(manifest))


class NotAsWritten(ApiError):  # noqa: N818 (a state of the cluster)
    """The API server stored a policy otherwise than it was sent, so something changes it on the way; `found` is what it stored."""

    def __init__(self, manifest: Manifest, found: Json) -> None:
        self.manifest, self.found = manifest, found
        parts = ", ".join(differing(found, manifest))
        metadata = manifest["metadata"]
        name = f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"
        super().__init__(CONFLICT, f"{name} is not stored as it was written; what differs: {parts}")


def ensure(api: Api, manifest: Manifest) -> Outcome:
    """See that a manifest stands as it is, in place: it is never deleted to be made anew.

    Server-side apply would leave what others added to the spec, an `ingress` that opens it for one, and not tell a
    creation from a change; so what is missing is created, and what differs is replaced whole, at the version that was read.
    A write counts only where the answer says what was written.  Raises ApiError, NotAsWritten.
    """
    found = stored(api, manifest)
    if found is None:
        made = api.create(collection_of(manifest), dict(manifest))
        if made is not None:
            return as_written(made, manifest, Outcome.CREATED)
        found = stored(api, manifest)  # somebody was faster, most likely another replica
    if found is None:
        raise ApiError(CONFLICT, f"{path(manifest)} came and went while it was written")
    if same(found, manifest):
        return Outcome.UNCHANGED
    return mend(api, manifest, found)


def mend(api: Api, manifest: Manifest, found: Json) -> Outcome:
    """Replace what stands by the manifest.  Raises ApiError, NotAsWritten."""
    outcome = Outcome.REPAIRED if FIELD_MANAGER in managers(found) else Outcome.REPLACED
    return as_written(api.replace(path(manifest), replacement(found, manifest)), manifest, outcome)


def as_written(answer: Json, manifest: Manifest, outcome: Outcome) -> Outcome:
    """The outcome of a write, if the answer equals what was written; raises NotAsWritten otherwise."""
    if not same(answer, manifest):
        raise NotAsWritten(manifest, answer)
    return outcome


def replacement(found: Json, manifest: Manifest) -> Json:
    """The manifest over what stands: our spec whole, our labels and annotations among those that others set.

    Owners and finalizers are left out: whoever made an object of our name before may have tied it to one of theirs.
    """
    kept = {key: value for key, value in found["metadata"].items() if key not in FOREIGN}
    ours = manifest["metadata"]
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
    return metadata["name"].startswith(POLICY_NAME_PREFIX) and labelled and FIELD_MANAGER in managers(found)


def managers(found: Json) -> set[str]:
    """Who set a field of an object that still stands, by field manager."""
    return {entry.get("manager", "") for entry in found["metadata"].get("managedFields") or ()}


def closes(found: Json | None, manifest: Manifest) -> bool:
    """Whether what stands is the policy that the manifest says: its whole spec, whatever its labels claim."""
    return found is not None and found.get("spec") == manifest["spec"]


def same(found: Json, manifest: Manifest) -> bool:
    """Whether what stands says the same as the manifest: the whole spec, our labels, and no owner."""
    return not any(differing(found, manifest))


def differing(found: Json, manifest: Manifest) -> Iterator[str]:
    """The fields in which what stands differs from the manifest."""
    if not closes(found, manifest):
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
