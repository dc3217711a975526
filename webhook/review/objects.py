"""Convert Kubernetes objects to the values that rules read, from JSON of a review or from parsed YAML.

The table of pod makers gives the shape of each of Kubernetes' own kinds, so decoding skips all other fields.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, Struct, defstruct

from webhook.model.kinds import PodMaker, selector_beside
from webhook.model.request import NamespaceObject
from webhook.model.workload import DEFAULT_ACCOUNT, LabelLocation, Owner, Workload
from webhook.review.custom_resources import pod_templates, service_account_name, without_restart
from webhook.review.decoders import decoder
from webhook.review.selectors import pod_selector
from webhook.review.template_extraction import extract_templates, is_comparable, sources_differ

NO_TEMPLATE = Raw(b"null")
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


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


class LabelledObject(Struct):
    """Anything with metadata."""

    metadata: ObjectMeta | None = None


class PodSpec(Struct, rename="camel"):
    """The part of a Pod's spec that catflap reads.

    `serviceAccount` is the older name of a field, and applies if the newer field is not set.
    """

    host_network: bool | None = None
    service_account_name: str | None = None
    service_account: str | None = None


class PodTemplate(LabelledObject):
    """A Pod, or the template of one."""

    spec: PodSpec | None = None


Decode = Callable[[Any, type], Any]


def decode_json(source: bytes | Raw, shape: type) -> Any:
    """Decode JSON text into `shape`; raises msgspec.DecodeError with the path of the fault."""
    return decoder(shape).decode(source)


def convert(source: Any, shape: type) -> Any:
    """Convert plain dicts and lists into `shape`; raises msgspec.ValidationError with the path of the fault."""
    return msgspec.convert(source, shape)


@cache
def template_shape(template: str, selector: Any) -> type:
    """Return the shape of an object with its pod template at the dotted path `template`.

    The shape has the fields that catflap reads. The selector next to the template has the type `selector`.
    """
    return nested(template, PodTemplate | None, None, {"metadata": ObjectMeta | None}, siblings=selector)


@cache
def raw_shape(template: str) -> type:
    """Return the shape as `template_shape` does, with the whole template as undecoded JSON."""
    return nested(template, Raw, NO_TEMPLATE, {})


def nested(path: str, leaf: Any, default: Any, top: Mapping[str, Any], *, siblings: Any = None) -> type:
    """Return a struct of structs, one for each key of `path`, with `leaf` at its end and the fields `top` at its root.

    The fields `top` are optional. The last argument is the type of the field `selector` next to the end, or None for no
    such field.
    """
    *outer, last = path.split(".")
    selector = [("selector", siblings, NO_TEMPLATE if siblings is Raw else None)] if siblings else []
    shape = defstruct("Object", [(last, leaf, default), *selector, *fields_of({} if outer else top)])
    for depth, key in enumerate(reversed(outer), start=1):
        shape = defstruct("Object", [(key, shape | None, None), *fields_of(top if depth == len(outer) else {})])
    return shape


def fields_of(optional: Mapping[str, Any]) -> list[tuple[str, Any, None]]:
    """Return fields in the form that `defstruct` takes."""
    return [(name, kind, None) for name, kind in optional.items()]


def workload_from(maker: PodMaker, source: Any, decode: Decode) -> Workload:
    """Return the workload from an object's source.

    `decode` is `decode_json` or `convert`. The function does not catch its errors.
    """
    if maker.custom:
        found = decode(source, LabelledObject)
        places = pod_templates(maker, extract_templates(maker, source) if decode is decode_json else source)
    else:
        kept = Raw if decode is decode_json else Any
        found = decode(source, template_shape(maker.template, kept) if maker.template else PodTemplate)
        template: PodTemplate | None = field_at(found, maker.template)
        selector = pod_selector(field_at(found, selector_beside(maker.template))) if maker.template else None
        spec = template.spec if template else None
        on_host = bool(spec and spec.host_network)
        account = service_account_name(spec.service_account_name, spec.service_account) if spec else DEFAULT_ACCOUNT
        places = (LabelLocation(maker.metadata_path, labels_of(template), on_host, account, selector),)
    metadata = found.metadata or ObjectMeta()
    return Workload(
        kind=maker.kind,
        namespace=metadata.namespace or "",
        name=metadata.name or (f"{metadata.generate_name}*" if metadata.generate_name else ""),
        places=places,
        owner=owner_of(metadata),
        mirror=MIRROR_ANNOTATION in (metadata.annotations or ()),
        own=LabelLocation("metadata", labels_of(found)) if maker.template else None,
        reference_path="" if places else maker.reference,
        uid=metadata.uid or "",
    )


def metadata_from(source: Any, decode: Decode) -> NamespaceObject:
    """Return the name and the labels of an object, with the arguments of `workload_from`."""
    found = decode(source, LabelledObject)
    return NamespaceObject(name=found.metadata.name or "" if found.metadata else "", labels=labels_of(found))


def templates_differ(maker: PodMaker, source: bytes | Raw, before: bytes | Raw) -> bool:
    """Return whether the pod templates of two versions of one object differ; JSON only.

    Equal bytes are the common case, because the API server writes both with one encoder. Otherwise the values are
    compared.
    """
    if not maker.template:
        return False
    if maker.custom:
        return sources_differ(maker, source, before)
    shape = raw_shape(maker.template)
    new, old = (bytes(field_at(decode_json(text, shape), maker.template) or NO_TEMPLATE) for text in (source, before))
    return new != old and msgspec.json.decode(new) != msgspec.json.decode(old)


def is_restart(maker: PodMaker, source: bytes | Raw, before: bytes | Raw) -> bool:
    """Return whether two versions of an object with different pod templates differ only by a restart; JSON only.

    The answer is false for objects that are too large to compare.
    """
    if not is_comparable(source, before):
        return False
    new, old = decode_json(source, dict), decode_json(before, dict)
    return without_restart(new, maker) == without_restart(old, maker)


def field_at(found: Any, path: str) -> Any:
    """Return the value at a dotted path of nested structs; None if a step is missing."""
    for key in path.split(".") if path else ():
        found = getattr(found, key, None)
    return found


def labels_of(labelled: LabelledObject | None) -> Mapping[str, str]:
    """Return the labels; a null value is the empty string, as the API server reads it."""
    if labelled is None or labelled.metadata is None or labelled.metadata.labels is None:
        return {}
    return {key: value or "" for key, value in labelled.metadata.labels.items()}


def owner_of(metadata: ObjectMeta) -> Owner | None:
    """Return the owner that is marked as the controller."""
    for owner in metadata.owner_references or ():
        if owner.controller:
            return Owner(api_version=owner.api_version, kind=owner.kind, name=owner.name, uid=owner.uid)
    return None
