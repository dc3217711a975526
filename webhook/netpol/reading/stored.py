"""The name and the labels by which Calico knows an object that it stored.

Calico keeps the metadata of its own API in an annotation of what it stores, and reads name and labels from there
(libcalico-go, lib/backend/model/keys.go and lib/backend/k8s/resources/resources.go).
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

ANNOTATION = "projectcalico.org/metadata"


class Identity(Struct, frozen=True):
    """The name and the labels; empty where the object's own count."""

    name: str = ""
    labels: Mapping[str, str] = {}


class Metadata(Struct):
    """An object's metadata, as far as we read it."""

    annotations: dict[str, str] | None = None


class Stored(Struct):
    """An object, as far as we read it."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


class Kept(Struct):
    """What the annotation keeps."""

    name: str | None = None
    labels: dict[str, str] | None = None


def identity_of(source: Any) -> Identity:
    """Return what the annotation says; raises ValueError where it is not JSON, msgspec.ValidationError for other types."""
    text = (msgspec.convert(source, Stored).metadata.annotations or {}).get(ANNOTATION)
    if not text:
        return Identity()
    try:
        kept = msgspec.json.decode(text, type=Kept)
    except (msgspec.MsgspecError, RecursionError) as bad:
        raise ValueError(f"metadata.annotations[{ANNOTATION}]: {bad}") from None
    return Identity(kept.name or "", kept.labels or {})
