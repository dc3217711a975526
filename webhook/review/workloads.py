"""Convert the objects that create Pods to workloads, from JSON of a review or from parsed YAML.

The table of pod makers gives the shape of each of Kubernetes' own kinds, so decoding skips all other fields.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Raw, Struct, defstruct

from webhook.model.kinds import PodMaker, selector_beside
from webhook.model.workload import DEFAULT_ACCOUNT, LabelLocation, Workload
from webhook.review.custom_resource_json import extract_templates
from webhook.review.custom_resources import pod_templates, service_account_name
from webhook.review.kubernetes_objects import (
    NULL,
    KubernetesObject,
    LabelledObject,
    ObjectMeta,
    convert,
    decode_json,
)
from webhook.review.selectors import pod_selector

NO_TEMPLATE = Raw(NULL)
MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


class PodSpec(Struct, rename="camel"):
    """The part of a Pod's spec that catflap reads.

    `serviceAccount` is the older name of a field, and applies if the newer field is not set.
    """

    host_network: bool | None = None
    service_account_name: str | None = None
    service_account: str | None = None

    @property
    def account(self) -> str:
        """Return the ServiceAccount of the Pods."""
        return service_account_name(self.service_account_name, self.service_account)


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


@cache
def object_shape(template: str, kept: Any, leaf: Any) -> type:
    """Return the shape of an object, with the type `leaf` at the dotted path `template`, and `kept` for the selector next to it."""
    *outer, last = template.split(".")
    absent = NO_TEMPLATE if leaf is Raw else None
    fields = [(last, leaf, absent), ("selector", kept, NO_TEMPLATE if kept is Raw else None)]
    for key in reversed(outer):
        fields = [(key, defstruct("Part", fields) | None, None)]
    return defstruct("Object", [*fields, ("kind", str | None, None)], bases=(LabelledObject,))


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
        labels=template.labels if template else {},
        host_network=bool(spec and spec.host_network),
        account=spec.account if spec else DEFAULT_ACCOUNT,
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
        owner=metadata.owner,
        mirror=MIRROR_ANNOTATION in (metadata.annotations or ()),
        own=LabelLocation("metadata", found.labels) if maker.template else None,
        reference_path="" if places else maker.reference,
        uid=metadata.uid or "",
    )


def field_at(found: Any, path: str) -> Any:
    """Return the value at a dotted path of nested structs; None if a step is missing."""
    for key in path.split(".") if path else ():
        found = getattr(found, key, None)
    return found
