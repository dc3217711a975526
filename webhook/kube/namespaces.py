"""Convert Namespaces of the API server to values."""

from datetime import datetime

from webhook.kube.api import Json
from webhook.kube.paths import under
from webhook.model.namespace import Namespace

NAMESPACES_PATH = "/api/v1/namespaces"


def namespace_path(name: str) -> str:
    """Return the path of one namespace.  Raises ApiError (400) for an invalid name."""
    return under(NAMESPACES_PATH, name)


def parse_time(text: str) -> datetime:
    """Parse a creationTimestamp: RFC 3339 in whole seconds, UTC."""
    return datetime.fromisoformat(text)


def parse_namespace(source: Json) -> Namespace:
    """Convert the JSON of one namespace."""
    metadata = source["metadata"]
    return Namespace(
        name=metadata["name"],
        uid=metadata["uid"],
        labels=metadata.get("labels") or {},
        created=parse_time(metadata["creationTimestamp"]),
        terminating="deletionTimestamp" in metadata,
    )


# Metadata that Kubernetes hides from its own CEL expressions (k8s.io/apiserver, admission/plugin/cel/compile.go).
HIDDEN_METADATA = frozenset({"managedFields", "ownerReferences", "selfLink", "uid"})


def cel_namespace(source: Json) -> Json:
    """Return the `namespaceObject` of CEL expressions: the same fields as in Kubernetes, so without the uid."""
    metadata = {key: value for key, value in source["metadata"].items() if key not in HIDDEN_METADATA}
    return {
        "metadata": metadata,
        "spec": {"finalizers": (source.get("spec") or {}).get("finalizers") or []},
        "status": {"phase": (source.get("status") or {}).get("phase", "")},
    }
