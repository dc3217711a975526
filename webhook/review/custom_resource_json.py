"""Extract the pod templates of a custom object from its JSON, and skip the rest of the object.

A user who may create such an object may put hundreds of thousands of values where no rule looks. Lists and dictionaries
of these values would block the interpreter for seconds, and with it every other request of the process. The module
therefore takes each step to a template separately. The decoder skips all other fields, and no value is made of them.
"""

from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Raw, defstruct

from webhook.model.kinds import POD_SPEC_FIELDS, PodMaker, selector_beside
from webhook.review.custom_resources import METADATA
from webhook.review.decoder_cache import decoder

# The fields of a template's metadata that are read (webhook.review.custom_resources).
METADATA_FIELDS: Final = ("labels", "annotations")
# Characters; no useful label is a longer number.
LONGEST_SCALAR: Final = 64
ABSENT: Final = Raw(b"null")
# The maximum number of commas in the JSON of two versions of an object that are compared as values; this takes 50 ms at
# most. A template that people write has some hundreds.
MOST_COMPARED: Final = 20_000


def extract_templates(maker: PodMaker, source: bytes | Raw) -> dict[str, Any]:
    """Return an object as `custom_resources.pod_templates` reads it, with the leaves of its templates.

    The result shows whether the object refers to another object. Raises msgspec.DecodeError for a text that is not
    JSON.
    """
    found: dict[str, Any] = {}
    present = raw_values_at(
        source, (*maker.templates, *maker.sources, *maker.partial, *map(selector_beside, maker.templates))
    )
    for path in maker.templates:
        if (template := present.get(path)) is not None:
            set_value(found, path, template_leaves(maker, template))
        if (selector := present.get(selector_beside(path))) is not None:
            set_value(found, selector_beside(path), selector)
    for path in maker.partial:
        part = present.get(path)
        if part is not None and (path.endswith("Ref") or METADATA in bytes(part)):
            set_value(found, path, {"metadata": {}})
    if maker.reference in present:
        set_value(found, maker.reference, {})
    return found


def is_comparable(*sources: bytes | Raw) -> bool:
    """Return whether objects are small enough for a comparison of values."""
    return sum(bytes(one).count(b",") for one in sources) <= MOST_COMPARED


def sources_differ(maker: PodMaker, source: bytes | Raw, before: bytes | Raw) -> bool:
    """Return whether any source of the Pods changed; sources that are too large to compare count as changed."""
    now, earlier = (raw_values_at(text, maker.sources) for text in (source, before))
    for path in maker.sources:
        new, old = (bytes(found.get(path, ABSENT)) for found in (now, earlier))
        if new != old and not (is_comparable(new, old) and msgspec.json.decode(new) == msgspec.json.decode(old)):
            return True
    return False


def raw_values_at(source: bytes | Raw, paths: tuple[str, ...]) -> dict[str, Raw]:
    """Return the JSON at each of several dotted paths, except where a step is missing, null or of another type.

    The function reads each byte at most once for each step of the longest path, for any number of paths.
    """
    found: dict[str, Raw] = {}
    beginning = [(Raw(bytes(source)), path_tree(paths), "")]
    while beginning:
        place, tree, prefix = beginning.pop()
        try:
            fields = decoder(step_type(tuple(tree))).decode(place)
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


class PathTree(dict[str, "PathTree"]):
    """The keys of several paths below one place; `ends` says whether a path ends there."""

    ends = False


@cache
def path_tree(paths: tuple[str, ...]) -> PathTree:
    """Return dotted paths as a tree, with common beginnings merged."""
    root = PathTree()
    for path in paths:
        place = root
        for key in path.split("."):
            place = place.setdefault(key, PathTree())
        place.ends = True
    return root


@cache
def step_type(keys: tuple[str, ...]) -> type:
    """Return the type of an object that keeps some fields as JSON."""
    fields = {f"value{number}": key for number, key in enumerate(keys)}
    return defstruct("Step", [(name, Raw, ABSENT) for name in fields], rename=fields)


def template_leaves(maker: PodMaker, template: Raw) -> dict[str, Any]:
    """Return the parts of a template that are read; empty if the template is not an object."""
    found: dict[str, Any] = {}
    for path, leaf in raw_values_at(template, leaf_paths(maker)).items():
        set_value(found, path, {} if path == maker.pod_metadata else plain_value(leaf))
    return found


@cache
def leaf_paths(maker: PodMaker) -> tuple[str, ...]:
    """Return the paths that are read below a template.

    They include the metadata itself if the template names it as a field.
    """
    metadata = maker.pod_metadata or "metadata"
    named = (*(f"{metadata}.{field}" for field in METADATA_FIELDS), *map(maker.pod_field, POD_SPEC_FIELDS))
    return (maker.pod_metadata, *named) if maker.pod_metadata else named


def plain_value(leaf: Raw) -> Any:
    """Return a text, true, or a mapping from texts to scalars; None for any other value."""
    text = bytes(leaf)
    match text[:1]:
        case b'"':
            return msgspec.json.decode(text)
        case b"{":
            fields = decoder(dict[str, Raw]).decode(leaf)
            return {key: scalar_value(bytes(value)) for key, value in fields.items()}
    return True if text == b"true" else None


def scalar_value(text: bytes) -> Any:
    """Return a text, or a short number or boolean; None for any other value."""
    is_read = text[:1] == b'"' or (text[:1] not in b"[{" and len(text) <= LONGEST_SCALAR)
    return msgspec.json.decode(text) if is_read else None


def set_value(found: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path."""
    *outer, last = path.split(".")
    for key in outer:
        found = found.setdefault(key, {})
    found[last] = value
