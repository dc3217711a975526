"""Convert Kubernetes objects to the values that rules read, from JSON of a review or from parsed YAML.

The table of pod makers gives the shape of each of Kubernetes' own kinds, so decoding skips all other fields.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, Struct, defstruct

from webhook.model.kinds import PodMaker, selector_beside
from webhook.model.names import RESTARTED_AT
from webhook.model.request import NamespaceObject
from webhook.model.workload import DEFAULT_ACCOUNT, LabelLocation, Owner, Workload
from webhook.review.custom_resource_json import extract_templates, is_comparable, sources_differ
from webhook.review.custom_resources import pod_templates, service_account_name, without_restart
from webhook.review.decoder_cache import decoder
from webhook.review.selectors import pod_selector

NULL = b"null"
NO_TEMPLATE = Raw(NULL)
RESTARTED = RESTARTED_AT.encode()
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


class KubernetesObject(LabelledObject):
    """An object that names its kind."""

    kind: str = ""


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


class Pod(PodTemplate):
    """A Pod that names its kind."""

    kind: str = ""


class DecodedWorkload(Struct, frozen=True):
    """A workload with its JSON, the kind that it names, and its pod template as JSON."""

    workload: Workload
    kind: str
    source: Raw
    template: bytes = NULL


def decode_json(source: bytes | Raw, shape: type) -> Any:
    """Decode JSON text into `shape`; raises msgspec.DecodeError with the path of the fault."""
    return decoder(shape).decode(source)


def convert(source: Any, shape: type) -> Any:
    """Convert plain dicts and lists into `shape`; raises msgspec.ValidationError with the path of the fault."""
    return msgspec.convert(source, shape)


@cache
def object_shape(template: str, kept: Any, leaf: Any) -> type:
    """Return the shape of an object, with the type `leaf` at the dotted path `template`, and `kept` for the selector next to it."""
    top = {"metadata": ObjectMeta | None, "kind": str | None}
    return nested(template, leaf, NO_TEMPLATE if leaf is Raw else None, top, siblings=kept)


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


def workload_from(maker: PodMaker, source: Mapping[str, Any]) -> Workload:
    """Return the workload in a manifest, as plain dicts and lists; raises msgspec.ValidationError with the path of the fault."""
    if maker.custom:
        return workload_of(maker, convert(source, LabelledObject), pod_templates(maker, source))
    if not maker.template:
        found = convert(source, PodTemplate)
        return workload_of(maker, found, (place_of(maker, found, None),))
    found = convert(source, object_shape(maker.template, Any, PodTemplate | None))
    return workload_of(
        maker,
        found,
        (place_of(maker, field_at(found, maker.template), field_at(found, selector_beside(maker.template))),),
    )


def decode_workload(maker: PodMaker, source: Raw, *, like: DecodedWorkload | None = None) -> DecodedWorkload:
    """Return the workload in an object of a review, by one pass over its JSON; raises msgspec.DecodeError.

    `like` is another version of the object: an equal pod template is not decoded again.
    """
    if maker.custom:
        found = decode_json(source, KubernetesObject)
        return DecodedWorkload(
            workload_of(maker, found, pod_templates(maker, extract_templates(maker, source))), found.kind, source
        )
    if not maker.template:
        found = decode_json(source, Pod)
        return DecodedWorkload(workload_of(maker, found, (place_of(maker, found, None),)), found.kind, source)
    found = decode_json(source, object_shape(maker.template, Raw, Raw))
    template, selector = (
        bytes(field_at(found, maker.template) or NULL),
        field_at(found, selector_beside(maker.template)),
    )
    if like is not None and template == like.template:
        place = msgspec.structs.replace(like.workload.places[0], selector=pod_selector(selector))
    else:
        place = place_of(maker, decode_below(maker.template, template, PodTemplate | None), selector)
    return DecodedWorkload(workload_of(maker, found, (place,)), found.kind or "", source, template)


def decode_below(path: str, source: bytes, shape: Any) -> Any:
    """Decode the JSON at a dotted path of an object; the error has the path in the object."""
    try:
        return decode_json(source, shape)
    except msgspec.ValidationError as bad:
        problem = str(bad)
        whole = problem.replace("`$", f"`$.{path}", 1) if "`$" in problem else f"{problem} - at `$.{path}`"
        raise msgspec.ValidationError(whole) from None


def place_of(maker: PodMaker, template: PodTemplate | None, selector: Any) -> LabelLocation:
    """Return a pod template with the selector of its object."""
    spec = template.spec if template else None
    return LabelLocation(
        path=maker.metadata_path,
        labels=labels_of(template),
        host_network=bool(spec and spec.host_network),
        account=service_account_name(spec.service_account_name, spec.service_account) if spec else DEFAULT_ACCOUNT,
        selector=pod_selector(selector),
    )


def workload_of(maker: PodMaker, found: LabelledObject, places: tuple[LabelLocation, ...]) -> Workload:
    """Return the workload with its pod templates."""
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


def named(found: LabelledObject) -> NamespaceObject:
    """Return the name and the labels of an object."""
    return NamespaceObject(name=found.metadata.name or "" if found.metadata else "", labels=labels_of(found))


def templates_differ(maker: PodMaker, new: DecodedWorkload, old: DecodedWorkload) -> bool:
    """Return whether the pod templates of two versions of one object differ.

    Equal bytes are the common case, because the API server writes both with one encoder. Otherwise the values are
    compared.
    """
    if maker.custom:
        return sources_differ(maker, new.source, old.source)
    return new.template != old.template and msgspec.json.decode(new.template) != msgspec.json.decode(old.template)


def is_restart(maker: PodMaker, new: DecodedWorkload, old: DecodedWorkload) -> bool:
    """Return whether two versions of an object with different pod templates differ only by a restart.

    The answer is false for objects that are too large to compare.
    """
    if not is_comparable(new.source, old.source) or not any(RESTARTED in bytes(one.source) for one in (new, old)):
        return False
    one, other = decode_json(new.source, dict), decode_json(old.source, dict)
    return without_restart(one, maker) == without_restart(other, maker)


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
