"""A custom object's pod templates out of its JSON, without the rest of it.

Whoever may create such an object may put hundreds of thousands of values where no rule looks. Made into lists and dictionaries, they
would hold the interpreter for seconds, and with it every other request of the process. So each step to a template is taken by
itself: what is beside it is skipped by the decoder, and no value is made of it.
"""

from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Raw, defstruct

from webhook.model.kinds import PodMaker
from webhook.review.decoders import decoder

# What of a template is read (webhook.review.custom).
LEAVES: Final = (
    "metadata.labels",
    "metadata.annotations",
    "spec.hostNetwork",
    "spec.serviceAccountName",
    "spec.serviceAccount",
)
ABSENT: Final = Raw(b"null")
# Commas in the JSON of the two versions of an object that are made into values to compare them: 50 ms at most. A template that
# people write has some hundreds.
MOST_COMPARED: Final = 20_000


def pruned(maker: PodMaker, source: bytes | Raw) -> dict[str, Any]:
    """An object as `custom.places_in` reads it: its templates with their leaves, and whether it refers to another object.

    Raises msgspec.DecodeError for what is no JSON.
    """
    found: dict[str, Any] = {}
    for path in maker.templates:
        template = raw_at(source, path)
        if template is not None:
            put(found, path, leaves_of(template))
    if maker.reference and raw_at(source, maker.reference) is not None:
        put(found, maker.reference, {})
    return found


def is_comparable(*sources: bytes | Raw) -> bool:
    """Whether objects are small enough to be made into values."""
    return sum(bytes(one).count(b",") for one in sources) <= MOST_COMPARED


def sources_differ(maker: PodMaker, source: bytes | Raw, before: bytes | Raw) -> bool:
    """Whether anything that Pods are made from is another than it was; what is too large to compare counts as changed."""
    for path in maker.sources:
        new, old = (bytes(raw_at(text, path) or ABSENT) for text in (source, before))
        if new != old and not (is_comparable(new, old) and msgspec.json.decode(new) == msgspec.json.decode(old)):
            return True
    return False


def raw_at(source: bytes | Raw, path: str) -> Raw | None:
    """The JSON at a dotted path; None where a step is missing, is null, or leads into something else."""
    found: bytes | Raw = source
    for key in path.split("."):
        try:
            found = decoder(step(key)).decode(found).value
        except msgspec.ValidationError:
            return None
        if bytes(found) == bytes(ABSENT):
            return None
    return Raw(bytes(found))


@cache
def step(key: str) -> type:
    """An object with one field that is kept, as JSON."""
    return defstruct("Step", [("value", Raw, ABSENT)], rename={"value": key})


def leaves_of(template: Raw) -> dict[str, Any]:
    """A template with what is read of it; an empty one where it is no object."""
    found: dict[str, Any] = {}
    for path in LEAVES:
        leaf = raw_at(template, path)
        if leaf is not None:
            put(found, path, plain(leaf))
    return found


def plain(leaf: Raw) -> Any:
    """A text, a true, or a mapping from texts to texts; None for any other value."""
    text = bytes(leaf)
    match text[:1]:
        case b'"':
            return msgspec.json.decode(text)
        case b"{":
            fields = decoder(dict[str, Raw]).decode(leaf)
            return {
                key: msgspec.json.decode(value) if bytes(value)[:1] == b'"' else None for key, value in fields.items()
            }
    return True if text == b"true" else None


def put(found: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path."""
    *outer, last = path.split(".")
    for key in outer:
        found = found.setdefault(key, {})
    found[last] = value
