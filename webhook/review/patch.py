"""Build the JSON Patch (RFC 6902) for labels, which are all that the mutating phase changes."""

from collections.abc import Mapping
from typing import Any

import msgspec


def pointer(key: str) -> str:
    """Return a key as a step of a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def label_patch(labels: Mapping[str, str], *, has_labels: bool) -> bytes:
    """Return the patch that sets `labels` in `metadata.labels`, and creates that map if it is missing."""
    if has_labels:
        operations: list[dict[str, Any]] = [
            {"op": "add", "path": f"/metadata/labels/{pointer(key)}", "value": value} for key, value in labels.items()
        ]
    else:
        operations = [{"op": "add", "path": "/metadata/labels", "value": dict(labels)}]
    return msgspec.json.encode(operations)
