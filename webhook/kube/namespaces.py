"""Namespaces as the API server writes them, to values."""

from datetime import datetime

from webhook.kube.api import Json
from webhook.model.namespace import Namespace

PATH = "/api/v1/namespaces"


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
