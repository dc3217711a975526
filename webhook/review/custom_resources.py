"""Find the pod templates of objects of CustomResourceDefinitions, without assumptions about their content.

Each vendor decides how much of an object the API server checks. A template or a label of another type therefore counts
as missing. The user gets a message about labels, not a review that cannot be read.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from webhook.model.kinds import ACCOUNT_FIELDS, HOST_NETWORK, PodMaker, selector_beside
from webhook.model.names import RESTARTED_AT
from webhook.model.workload import DEFAULT_ACCOUNT, LabelLocation
from webhook.review.selectors import pod_selector
from webhook.syntax.values import to_json

Json = Mapping[str, Any]
METADATA: Final = b'"metadata"'
# The fields of metadata that the API server itself writes at each change.
SERVER_FIELDS: Final = ("generation", "managedFields", "resourceVersion")


def pod_templates(maker: PodMaker, found: Json) -> tuple[LabelLocation, ...]:
    """Return every pod template of an object.

    Return the first path if the object has no template, and no place if another object has the template.
    """
    present = {path: template for path in maker.templates if (template := value_at(found, path)) is not None}
    if maker.pod_metadata:
        with_metadata = {path: one for path, one in present.items() if value_at(one, maker.pod_metadata) is not None}
        present = {} if any(adds_labels(path, value_at(found, path)) for path in maker.partial) else with_metadata
    elif maker.reference and value_at(found, maker.reference) is not None:
        present = {path: template for path, template in present.items() if has_metadata(template)}
    elif not present:
        present = {maker.template: None}
    selectors = {path: value_at(found, selector_beside(path)) for path in present}
    return tuple(pod_template(maker, path, template, selectors[path]) for path, template in present.items())


def adds_labels(path: str, part: Any) -> bool:
    """Return whether a part of an object may give its Pods more labels: a reference, or a part with metadata."""
    return part is not None and (path.endswith("Ref") or METADATA in msgspec.json.encode(part))


def has_metadata(template: Any) -> bool:
    """Return whether a template next to a reference counts.

    Argo Rollouts ignores a template without labels and annotations (argoproj/argo-rollouts, pkg/apis/rollouts/v1alpha1,
    EmptyTemplate).
    """
    return bool(value_at(template, "metadata.labels") or value_at(template, "metadata.annotations"))


def pod_template(maker: PodMaker, path: str, template: Any, selector: Any) -> LabelLocation:
    """Return one pod template with the selector of its object.

    A label value that is not text counts as empty. Numbers and booleans are kept in `not_text`.
    """
    labels = value_at(template, f"{maker.pod_metadata or 'metadata'}.labels")
    readable = labels if isinstance(labels, dict) else {}
    return LabelLocation(
        path=maker.metadata_at(path),
        labels={str(key): value if isinstance(value, str) else "" for key, value in readable.items()},
        host_network=value_at(template, maker.pod_field(HOST_NETWORK)) is True,
        account=service_account_name(*(value_at(template, maker.pod_field(field)) for field in ACCOUNT_FIELDS)),
        not_text={str(key): to_json(value) for key, value in readable.items() if isinstance(value, bool | int | float)},
        selector=pod_selector(selector),
    )


def service_account_name(name: Any, older_name: Any) -> str:
    """Return the ServiceAccount of a Pod from the current field or from its older name.

    kubernetes, pkg/apis/core/v1/conversion.go, and the admission plug-in ServiceAccount.
    """
    return next((one for one in (name, older_name) if isinstance(one, str) and one), DEFAULT_ACCOUNT)


def without_restart(found: dict[str, Any], maker: PodMaker) -> Json:
    """Remove the restart annotation and the fields that the API server writes, and return the object.

    Users restart Pod makers by this annotation. The function changes `found`.
    """
    found.pop("status", None)
    if isinstance(metadata := found.get("metadata"), dict):
        for field in SERVER_FIELDS:
            metadata.pop(field, None)
    for path in maker.templates:
        labelled = value_at(found, maker.metadata_at(path))
        annotations = labelled.get("annotations") if isinstance(labelled, dict) else None
        if isinstance(annotations, dict) and annotations.pop(RESTARTED_AT, None) and not annotations:
            del labelled["annotations"]
    return found


def value_at(found: Any, path: str) -> Any:
    """Return the value at a dotted path of nested mappings; None if a step is missing or leads to another type."""
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found
