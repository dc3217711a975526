"""Read the name and the labels that Calico uses for an object that it stored.

Calico keeps the metadata of its own API in an annotation of what it stores, and reads name and labels from there
(libcalico-go, lib/backend/model/keys.go and lib/backend/k8s/resources/resources.go).
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from webhook.model.names import CALICO_METADATA
from webhook.syntax.type_errors import decode_error_message


class CalicoIdentity(Struct, frozen=True):
    """The name and the labels; empty where those of the object itself count."""

    name: str = ""
    labels: Mapping[str, str] = {}


class AnnotatedMetadata(Struct):
    """The metadata of an object, without unused fields."""

    annotations: dict[str, str] | None = None


class StoredObject(Struct):
    """An object, without unused fields."""

    metadata: AnnotatedMetadata = msgspec.field(default_factory=AnnotatedMetadata)


class CalicoMetadata(Struct):
    """The content of the annotation."""

    name: str | None = None
    labels: dict[str, str] | None = None


NO_IDENTITY = CalicoIdentity()


def identity_of(found: StoredObject) -> CalicoIdentity:
    """Return the identity in the annotation; raises ValueError for an invalid annotation."""
    text = (found.metadata.annotations or {}).get(CALICO_METADATA)
    if not text:
        return NO_IDENTITY
    try:
        kept = msgspec.json.decode(text, type=CalicoMetadata)
    except (msgspec.MsgspecError, RecursionError) as bad:
        raise ValueError(f"metadata.annotations[{CALICO_METADATA}]: {decode_error_message(bad)}") from None
    return CalicoIdentity(kept.name or "", kept.labels or {})
