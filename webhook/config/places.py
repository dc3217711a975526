"""Where in the text of a policy file each key stands, for faults to point at."""

from collections.abc import Iterator
from typing import NamedTuple

import yaml


class Place(NamedTuple):
    """A line and a column, both from one, as editors count."""

    line: int
    column: int


def place(mark: yaml.Mark) -> Place:
    """PyYAML counts from zero."""
    return Place(mark.line + 1, mark.column + 1)


def places(root: yaml.Node | None) -> dict[str, Place]:
    """The place of every key and list item by its path as faults write it, such as `workloads.require[0].label`."""
    return {} if root is None else dict(_below(root, "", set()))


def nearest(path: str, known: dict[str, Place]) -> Place | None:
    """The place of a path, or of the innermost key around it that is written down: what is missing has none."""
    while path and path not in known:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return known.get(path)


def _below(node: yaml.Node, path: str, seen: set[int]) -> Iterator[tuple[str, Place]]:
    # An alias stands for a node that was seen: a file of aliases of aliases must not be walked as if written out.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = f"{path}.{key.value}" if path else str(key.value)
            yield inner, place(key.start_mark)
            yield from _below(value, inner, seen)
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield f"{path}[{number}]", place(value.start_mark)
            yield from _below(value, f"{path}[{number}]", seen)
