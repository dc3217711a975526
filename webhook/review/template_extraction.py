"""Extract the pod templates of a custom object from its JSON, and skip the rest of the object.

A user who may create such an object may put hundreds of thousands of values where no rule looks. Lists and dictionaries
of these values would block the interpreter for seconds, and with it every other request of the process. The module
therefore takes each step to a template separately. The decoder skips all other fields, and no value is made of them.
"""

from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Raw, defstruct

from webhook.model.kinds import PodMaker, selector_beside
from webhook.review.custom_resources import METADATA
from webhook.review.decoders import decoder

# The parts of a template that are read (webhook.review.custom_resources): fields of its metadata and of a Pod's spec.
OF_METADATA: Final = ("labels", "annotations")
OF_SPEC: Final = ("hostNetwork", "serviceAccountName", "serviceAccount")
# Characters; no useful label is a longer number.
LONGEST_SCALAR: Final = 64
ABSENT: Final = Raw(b"null")
# The maximum number of commas in the JSON of two versions of an object that are compared as values; this takes 50 ms at
# most. A template that people write has some hundreds.
MOST_COMPARED: Final = 20_000


def pruned(maker: PodMaker, source: bytes | Raw) -> dict[str, Any]:
    """Return an object as `custom.places_in` reads it, with the leaves of its templates.

    The result shows whether the object refers to another object. Raises msgspec.DecodeError for a text that is not
    JSON.
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
    """Return whether objects are small enough for a comparison of values."""
    return sum(bytes(one).count(b",") for one in sources) <= MOST_COMPARED


def sources_differ(maker: PodMaker, source: bytes | Raw, before: bytes | Raw) -> bool:
    """Return whether any source of the Pods changed; sources that are too large to compare count as changed."""
    now, earlier = (raw_at_all(text, maker.sources) for text in (source, before))
    for path in maker.sources:
        new, old = (bytes(found.get(path, ABSENT)) for found in (now, earlier))
        if new != old and not (is_comparable(new, old) and msgspec.json.decode(new) == msgspec.json.decode(old)):
            return True
    return False


def raw_at_all(source: bytes | Raw, paths: tuple[str, ...]) -> dict[str, Raw]:
    """Return the JSON at each of several dotted paths, except where a step is missing, null or of another type.

    The function reads each byte at most once for each step of the longest path, for any number of paths.
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
    """The keys of several paths below one place; `ends` says whether a path ends there."""

    ends = False


@cache
def tree_of(paths: tuple[str, ...]) -> Tree:
    """Return dotted paths as a tree, with common beginnings merged."""
    root = Tree()
    for path in paths:
        place = root
        for key in path.split("."):
            place = place.setdefault(key, Tree())
        place.ends = True
    return root


@cache
def step(keys: tuple[str, ...]) -> type:
    """Return the type of an object that keeps some fields as JSON."""
    fields = {f"value{number}": key for number, key in enumerate(keys)}
    return defstruct("Step", [(name, Raw, ABSENT) for name in fields], rename=fields)


def leaves_of(maker: PodMaker, template: Raw) -> dict[str, Any]:
    """Return the parts of a template that are read; empty if the template is not an object."""
    found: dict[str, Any] = {}
    for path, leaf in raw_at_all(template, leaves(maker)).items():
        put(found, path, {} if path == maker.pod_metadata else plain(leaf))
    return found


@cache
def leaves(maker: PodMaker) -> tuple[str, ...]:
    """Return the paths that are read below a template.

    They include the metadata itself if the template names it as a field.
    """
    metadata = maker.pod_metadata or "metadata"
    named = (*(f"{metadata}.{field}" for field in OF_METADATA), *map(maker.pod_field, OF_SPEC))
    return (maker.pod_metadata, *named) if maker.pod_metadata else named


def plain(leaf: Raw) -> Any:
    """Return a text, true, or a mapping from texts to scalars; None for any other value."""
    text = bytes(leaf)
    match text[:1]:
        case b'"':
            return msgspec.json.decode(text)
        case b"{":
            fields = decoder(dict[str, Raw]).decode(leaf)
            return {key: scalar(bytes(value)) for key, value in fields.items()}
    return True if text == b"true" else None


def scalar(text: bytes) -> Any:
    """Return a text, or a short number or boolean; None for any other value."""
    is_read = text[:1] == b'"' or (text[:1] not in b"[{" and len(text) <= LONGEST_SCALAR)
    return msgspec.json.decode(text) if is_read else None


def put(found: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path."""
    *outer, last = path.split(".")
    for key in outer:
        found = found.setdefault(key, {})
    found[last] = value
