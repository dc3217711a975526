"""Read the selector next to a pod template, for messages only; the API server checks for its faults."""

from typing import Any, Final

import msgspec
from msgspec import Raw

from webhook.model.pod_selector import IN, OPERATORS, PodSelector, Term

# Bytes of JSON. A selector that people write has some hundreds; messages ignore a longer one.
LONGEST_SELECTOR: Final = 16_384


def pod_selector(found: Any) -> PodSelector | None:
    """Return a selector from JSON or plain values; None if there is none.

    The plain mapping of a ReplicationController is a selector too.
    """
    if isinstance(found, Raw):
        found = msgspec.json.decode(found) if len(bytes(found)) <= LONGEST_SELECTOR else None
    if not isinstance(found, dict):
        return None
    expressions = found.get("matchExpressions")
    grouped = "matchLabels" in found or isinstance(expressions, list)
    labels = found.get("matchLabels") if grouped else found
    terms = [Term(key, IN, (value,)) for key, value in text_labels(labels)]
    for one in expressions if isinstance(expressions, list) else ():
        operator = one.get("operator") if isinstance(one, dict) else None
        if operator in OPERATORS and isinstance(one.get("key"), str):
            values = one.get("values")
            listed = values if isinstance(values, list) else []
            terms.append(Term(one["key"], operator, tuple(value for value in listed if isinstance(value, str))))
    return PodSelector(tuple(terms)) if terms else None


def text_labels(labels: Any) -> list[tuple[str, str]]:
    """Return the labels whose keys and values are texts."""
    items = labels.items() if isinstance(labels, dict) else ()
    return [(key, value) for key, value in items if isinstance(key, str) and isinstance(value, str)]
