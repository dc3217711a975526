"""Apply JSON Patch as the standard says, independently of catflap's own code."""

import json
from typing import Any


def apply(document: Any, operations: list[dict[str, Any]]) -> Any:
    """Apply `add` operations on members of objects (RFC 6902).

    Raises KeyError for a missing step, as the standard requires.
    """
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
