"""A custom object's pod templates out of its JSON, without the rest of it.

Whoever may create such an object may put hundreds of thousands of values where no rule looks. Made into lists and dictionaries, they
would hold the interpreter for seconds, and with it every other request of the process. So each step to a template is taken by
itself: what is beside it is skipped by the decoder, and no value is made of it.
"""

from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Raw, defstruct

from webhook.model.kinds import PodMaker, selector_beside
from webhook.review.custom import METADATA
from webhook.review.decoders import decoder

# What of a template is read (webhook.review.custom): of its metadata, and of a Pod's spec.
OF_METADATA: Final = ("labels", "annotations")
OF_SPEC: Final = ("hostNetwork", "serviceAccountName", "serviceAccount")
# Characters; a longer number is no label that somebody means.
LONGEST_SCALAR: Final = 64
ABSENT: Final = Raw(b"null")
# Commas in the JSON of the two versions of an object that are made into values to compare them: 50 ms at most. A template that
# people write has some hundreds.
MOST_COMPARED: Final = 20_000


def pruned(maker: PodMaker, source: bytes | Raw) -> dict[str, Any]:
    """An object as `custom.places_in` reads it: its templates with their leaves, and whether it refers to another object.

    Raises msgspec.DecodeError for what is no JSON.
    """
    found: dict[str, Any] = {}
    present = raw_at_all(
        source, (*maker.templates, *maker.sources, *maker.partial, *map(selector_beside, maker.templates))
    )
    for path in maker.templates:
        if (template := present.get(path)) is not None:
            put(found, path, leaves_of(maker, template))
        if (selector := present.get(selector_beside(path))) is not None:
            put(found, selector_beside(path), selector)
    for path in maker.partial:
        part = present.get(path)
        if part is not None and (path.endswith("Ref") or METADATA in bytes(part)):
            put(found, path, {"metadata": {}})
    if maker.reference in present:
        put(found, maker.reference, {})
    return found


def is_comparable(*sources: bytes | Raw) -> bool:
    """Whether objects are small enough to be made into values."""
    return sum(bytes(one).count(b",") for one in sources) <= MOST_COMPARED


def sources_differ(maker: PodMaker, source: bytes | Raw, before: bytes | Raw) -> bool:
    """Whether anything that Pods are made from is another than it was; what is too large to compare counts as changed."""
    now, earlier = (raw_at_all(text, maker.sources) for text in (source, before))
    for path in maker.sources:
        new, old = (bytes(found.get(path, ABSENT)) for found in (now, earlier))
        if new != old and not (is_comparable(new, old) and msgspec.json.decode(new) == msgspec.json.decode(old)):
            return True
    return False


def raw_at_all(source: bytes | Raw, paths: tuple[str, ...]) -> dict[str, Raw]:
    """The JSON at each of several dotted paths, without those where a step is missing, is null, or leads into something else.

    No byte of the source is read more than once for each step of the longest path, however many paths there are.
    """
    found: dict[str, Raw] = {}
    beginning = [(Raw(bytes(source)), tree_of(paths), "")]
    while beginning:
        place, tree, prefix = beginning.pop()
        try:
            fields = decoder(step(tuple(tree))).decode(place)
        except msgspec.ValidationError:
            continue
        for number, (key, below) in enumerate(tree.items()):
            value: Raw = getattr(fields, f"value{number}")
            if value == ABSENT:
                continue
            if below.ends:
                found[f"{prefix}{key}"] = Raw(bytes(value))
            if below:
                beginning.append((value, below, f"{prefix}{key}."))
    return found


class Tree(dict[str, "Tree"]):
    """The keys of several paths from one place on; `ends` where one of the paths ends there."""

    ends = False


@cache
def tree_of(paths: tuple[str, ...]) -> Tree:
    """Dotted paths, those with the same beginning together."""
    root = Tree()
    for path in paths:
        place = root
        for key in path.split("."):
            place = place.setdefault(key, Tree())
        place.ends = True
    return root


@cache
def step(keys: tuple[str, ...]) -> type:
    """An object with some fields that are kept, as JSON."""
    fields = {f"value{number}": key for number, key in enumerate(keys)}
    return defstruct("Step", [(name, Raw, ABSENT) for name in fields], rename=fields)


def leaves_of(maker: PodMaker, template: Raw) -> dict[str, Any]:
    """A template with what is read of it; an empty one where it is no object."""
    found: dict[str, Any] = {}
    for path, leaf in raw_at_all(template, leaves(maker)).items():
        put(found, path, {} if path == maker.pod_metadata else plain(leaf))
    return found


@cache
def leaves(maker: PodMaker) -> tuple[str, ...]:
    """The paths that are read below a template; where its metadata is one of its fields, also whether that is there."""
    metadata = maker.pod_metadata or "metadata"
    named = (*(f"{metadata}.{field}" for field in OF_METADATA), *map(maker.pod_field, OF_SPEC))
    return (maker.pod_metadata, *named) if maker.pod_metadata else named


def plain(leaf: Raw) -> Any:
    """A text, a true, or a mapping from texts to texts, numbers and booleans; None for any other value."""
    text = bytes(leaf)
    match text[:1]:
        case b'"':
            return msgspec.json.decode(text)
        case b"{":
            fields = decoder(dict[str, Raw]).decode(leaf)
            return {key: scalar(bytes(value)) for key, value in fields.items()}
    return True if text == b"true" else None


def scalar(text: bytes) -> Any:
    """A text, a number or a boolean of some characters; None for any other value."""
    is_read = text[:1] == b'"' or (text[:1] not in b"[{" and len(text) <= LONGEST_SCALAR)
    return msgspec.json.decode(text) if is_read else None


def put(found: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path."""
    *outer, last = path.split(".")
    for key in outer:
        found = found.setdefault(key, {})
    found[last] = value
