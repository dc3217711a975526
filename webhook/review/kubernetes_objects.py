"""The shapes of Kubernetes objects as far as catflap reads any object, and their decoding from JSON or parsed YAML."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from webhook.model.workload import Owner
from webhook.review.decoder_cache import decoder

NULL = b"null"


class OwnerReference(Struct, rename="camel"):
    """An entry of `metadata.ownerReferences`."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ObjectMeta(Struct, rename="camel"):
    """The part of an object's metadata that catflap reads."""

    name: str | None = None
    uid: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str | None] | None = None
    annotations: dict[str, Any] | None = None
    owner_references: list[OwnerReference] | None = None

    @property
    def owner(self) -> Owner | None:
        """Return the owner that is marked as the controller."""
        for owner in self.owner_references or ():
            if owner.controller:
                return Owner(api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid)
        return None


class LabelledObject(Struct):
    """Anything with metadata."""

    metadata: ObjectMeta | None = None

    @property
    def name(self) -> str:
        """Return the name; empty for an object without one."""
        return (self.metadata.name if self.metadata else None) or ""

    @property
    def labels(self) -> Mapping[str, str]:
        """Return the labels; a null value is the empty string, as the API server reads it."""
        if self.metadata is None or self.metadata.labels is None:
            return {}
        return {key: value or "" for key, value in self.metadata.labels.items()}


class KubernetesObject(LabelledObject):
    """An object that names its kind."""

    kind: str = ""


def decode_json(source: bytes | Raw, shape: type) -> Any:
    """Decode JSON text into `shape`; raises msgspec.DecodeError with the path of the fault."""
    return decoder(shape).decode(source)


def convert(source: Any, shape: type) -> Any:
    """Convert plain dicts and lists into `shape`; raises msgspec.ValidationError with the path of the fault."""
    return msgspec.convert(source, shape)
