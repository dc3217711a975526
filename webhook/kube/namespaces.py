"""Namespaces as the API server writes them, to values."""

from datetime import datetime

from webhook.kube.api import Json
from webhook.kube.paths import under
from webhook.model.namespace import Namespace

PATH = "/api/v1/namespaces"


def path(name: str) -> str:
    """The path of one namespace.  Raises ApiError (400) for what is no name."""
    return under(PATH, name)


def parse_time(text: str) -> datetime:
    """A creationTimestamp: RFC 3339 in whole seconds, UTC."""
    return datetime.fromisoformat(text)


def namespace(source: Json) -> Namespace:
    """One namespace from its JSON."""
    metadata = source["metadata"]
    return Namespace(
        name=metadata["name"],
        uid=metadata["uid"],
        labels=metadata.get("labels") or {},
        created=parse_time(metadata["creationTimestamp"]),
        terminating="deletionTimestamp" in metadata,
    )


# What Kubernetes' own expressions do not see of a namespace (k8s.io/apiserver, admission/plugin/cel/compile.go).
UNREADABLE = frozenset({"managedFields", "ownerReferences", "selfLink", "uid"})


def readable(source: Json) -> Json:
    """A namespace as expressions read it: as Kubernetes hands it to theirs, which cannot read its uid."""
    metadata = {key: value for key, value in source["metadata"].items() if key not in UNREADABLE}
    return {
        "metadata": metadata,
        "spec": {"finalizers": (source.get("spec") or {}).get("finalizers") or []},
        "status": {"phase": (source.get("status") or {}).get("phase", "")},
    }
