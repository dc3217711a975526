"""Where our manifests live, and how they get there."""

from typing import Any

from webhook.kube.api import Api, Json
from webhook.netpol.manifest import Manifest


def path(manifest: Manifest) -> str:
    """The path of a NetworkPolicy, of either engine."""
    metadata = manifest["metadata"]
    return f"/apis/{manifest['apiVersion']}/namespaces/{metadata['namespace']}/networkpolicies/{metadata['name']}"


def stored(api: Api, manifest: Manifest) -> Json | None:
    """What stands under a manifest's name.  Raises ApiError."""
    return api.get(path(manifest))


def apply(api: Api, manifest: Manifest) -> Json:
    """Write a manifest by server-side apply.  Raises ApiError."""
    return api.apply(path(manifest), dict(manifest))


def same(found: Json, manifest: Manifest) -> bool:
    """Whether what stands says the same as the manifest: the whole spec, and our labels."""
    labels: dict[str, Any] = found["metadata"].get("labels") or {}
    wanted = manifest["metadata"]["labels"]
    return found.get("spec") == manifest["spec"] and all(labels.get(key) == wanted[key] for key in wanted)
