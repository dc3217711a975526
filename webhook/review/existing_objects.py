"""Convert objects of a cluster, or of manifests, to existing objects for a preview and a scan."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from webhook.admission.owner_graph import ExistingObject
from webhook.model.kinds import NO_EXTRA_KINDS, POD, Makers
from webhook.review.manifests import Manifest, create_request, read
from webhook.syntax.documents import BadManifestError
from webhook.syntax.values import FileValue

# The phases of a Pod whose containers have ended and do not start again.
FINISHED_PHASES: Final = frozenset({"Succeeded", "Failed"})


def existing_object(document: Any, *, default_namespace: str, extra: Makers = NO_EXTRA_KINDS) -> ExistingObject:
    """Return an existing object from the API server's data or from a manifest; raises BadManifestError."""
    return as_existing(read(document, default_namespace=default_namespace, extra=extra), document)


def as_existing(manifest: Manifest, document: dict[str, Any]) -> ExistingObject:
    """Return an existing object; `document` has its creation time and its state.  Raises BadManifestError."""
    request = create_request(manifest)
    metadata, status = (found if isinstance(found := document.get(key), dict) else {} for key in ("metadata", "status"))
    return ExistingObject(
        request,
        uid=str(metadata.get("uid") or ""),
        created=parse_time(metadata.get("creationTimestamp"), f"{request.target.kind} {request.target.name}"),
        running=document["kind"] == POD.kind
        and is_stored(metadata, status)
        and str(status.get("phase")) not in FINISHED_PHASES,
    )


def is_stored(metadata: dict[str, Any], status: dict[str, Any]) -> bool:
    """Return whether an object comes from an API server and not from a manifest that a person wrote."""
    return "uid" in metadata or "phase" in status


def existing_objects(
    documents: Iterable[Any], unread: list[str], *, extra: Makers = NO_EXTRA_KINDS
) -> Iterator[ExistingObject]:
    """Yield the objects of a cluster, and append a message to `unread` for each that cannot be read."""
    for document in documents:
        try:
            yield existing_object(document, default_namespace="", extra=extra)
        except BadManifestError as bad:
            unread.append(str(bad))


def parse_time(value: Any, reference: str) -> datetime | None:
    """Return when an object was made; None if that is unknown.

    Raises BadManifestError for a value that the API does not accept as a time.
    """
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        found = None
    if found is None or found.tzinfo is None:
        raise BadManifestError(
            f"{reference}: metadata.creationTimestamp: {FileValue(value).quoted}; expected a time such as 2026-12-31T23:59:59Z"
        )
    return found
