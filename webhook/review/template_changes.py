"""Compare the pod templates of two versions of one object."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from webhook.model.kinds import PodMaker
from webhook.model.names import RESTARTED_AT
from webhook.review.custom_resource_json import is_comparable, sources_differ
from webhook.review.custom_resources import value_at
from webhook.review.kubernetes_objects import decode_json
from webhook.review.workloads import DecodedWorkload

RESTARTED: Final = RESTARTED_AT.encode()
# The fields of metadata that the API server itself writes at each change.
SERVER_FIELDS: Final = ("generation", "managedFields", "resourceVersion")


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


def without_restart(found: dict[str, Any], maker: PodMaker) -> Mapping[str, Any]:
    """Remove the restart annotation and the fields that the API server writes, and return the object.

    Users restart Pod makers by this annotation. The function changes `found`.
    """
    found.pop("status", None)
    if isinstance(metadata := found.get("metadata"), dict):
        for field in SERVER_FIELDS:
            metadata.pop(field, None)
    for path in maker.templates:
        annotations = value_at(found, f"{maker.metadata_at(path)}.annotations")
        if isinstance(annotations, dict) and annotations.pop(RESTARTED_AT, None) and not annotations:
            del value_at(found, maker.metadata_at(path))["annotations"]
    return found
