"""The pod templates of what is served from a CustomResourceDefinition, read as they come.

How much of it the API server has checked is for each vendor to say; so what is no template, or no label, counts as
missing, and ends in words about labels instead of in a review that nobody can read.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from webhook.model.kinds import PodMaker, selector_beside
from webhook.model.names import RESTARTED_AT
from webhook.model.workload import DEFAULT_ACCOUNT, LabelLocation
from webhook.review.selectors import pod_selector
from webhook.syntax.values import in_json

Json = Mapping[str, Any]
# In the metadata, by the API server itself at each change.
ACCOUNT_FIELDS: Final = ("serviceAccountName", "serviceAccount")
METADATA: Final = b'"metadata"'
WRITTEN: Final = ("generation", "managedFields", "resourceVersion")


def places_in(maker: PodMaker, found: Json) -> tuple[LabelLocation, ...]:
    """Every pod template of an object; the first path where there is none, and no place where another object has it."""
    present = {path: template for path in maker.templates if (template := at(found, path)) is not None}
    if maker.pod_metadata:
        said = {path: one for path, one in present.items() if at(one, maker.pod_metadata) is not None}
        present = {} if any(adds_labels(path, at(found, path)) for path in maker.partial) else said
    elif maker.reference and at(found, maker.reference) is not None:
        present = {path: template for path, template in present.items() if says_something(template)}
    elif not present:
        present = {maker.template: None}
    return tuple(place(maker, path, template, at(found, selector_beside(path))) for path, template in present.items())


def adds_labels(path: str, part: Any) -> bool:
    """Whether a part of an object may give its Pods further labels: a reference, or what has metadata somewhere."""
    return part is not None and (path.endswith("Ref") or METADATA in msgspec.json.encode(part))


def says_something(template: Any) -> bool:
    """Whether a template beside a reference counts: Argo Rollouts takes one without labels and annotations for none.

    argoproj/argo-rollouts, pkg/apis/rollouts/v1alpha1, EmptyTemplate.
    """
    return bool(at(template, "metadata.labels") or at(template, "metadata.annotations"))


def place(maker: PodMaker, path: str, template: Any, selector: Any) -> LabelLocation:
    """One pod template with the selector beside it; a value that is no text says nothing, and is kept where it is a number or a boolean."""
    labels = at(template, f"{maker.pod_metadata or 'metadata'}.labels")
    readable = labels if isinstance(labels, dict) else {}
    return LabelLocation(
        path=maker.metadata_at(path),
        labels={str(key): value if isinstance(value, str) else "" for key, value in readable.items()},
        host_network=at(template, maker.pod_field("hostNetwork")) is True,
        account=account_named(*(at(template, maker.pod_field(field)) for field in ACCOUNT_FIELDS)),
        selector=pod_selector(selector),
        not_text={str(key): in_json(value) for key, value in readable.items() if isinstance(value, bool | int | float)},
    )


def account_named(name: Any, older_name: Any) -> str:
    """The ServiceAccount of a Pod, by the field and by the one that it had before.

    kubernetes, pkg/apis/core/v1/conversion.go, and the admission plug-in ServiceAccount.
    """
    return next((one for one in (name, older_name) if isinstance(one, str) and one), DEFAULT_ACCOUNT)


def unrestarted(found: dict[str, Any], maker: PodMaker) -> Json:
    """What is left of an object without the annotation by which people restart what makes Pods, and what the API server writes.

    The object is changed.
    """
    found.pop("status", None)
    if isinstance(metadata := found.get("metadata"), dict):
        for field in WRITTEN:
            metadata.pop(field, None)
    for path in maker.templates:
        annotations = at(found, f"{maker.metadata_at(path)}.annotations")
        if isinstance(annotations, dict) and annotations.pop(RESTARTED_AT, None) and not annotations:
            del at(found, maker.metadata_at(path))["annotations"]
    return found


def at(found: Any, path: str) -> Any:
    """The value at a dotted path of nested mappings; None where a step is missing, or leads into something else."""
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found
