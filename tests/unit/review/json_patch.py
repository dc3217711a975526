"""JSON Patch applied as the standard says, by code that knows nothing of ours."""

import json
from typing import Any


def apply(document: Any, operations: list[dict[str, Any]]) -> Any:
    """RFC 6902, `add` on members of objects only; raises KeyError where a step is missing, as the standard asks."""
    document = json.loads(json.dumps(document))
    for operation in operations:
        assert set(operation) == {"op", "path", "value"}
        assert operation["op"] == "add"
        first, *steps = operation["path"].split("/")
        assert first == ""
        *parents, last = (step.replace("~1", "/").replace("~0", "~") for step in steps)
        target = document
        for parent in parents:
            target = target[parent]
        target[last] = operation["value"]
    return document
