"""Where in the text of a policy file each key and item stands, for faults to point at."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Step = str | int
Marks = Mapping[int, Mapping[Step, "Place"]]


class Place(NamedTuple):
    """A line and a column, both from one, as editors count."""

    line: int
    column: int


def place(mark: Any) -> Place:
    """PyYAML counts from zero."""
    return Place(mark.line + 1, mark.column + 1)


def written(path: Iterable[Step]) -> str:
    """A path as a person writes it: `workloads.require[0].label`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(path: str, content: Any, marks: Marks) -> Place | None:
    """The place of a path, or of the innermost key around it that is written down: what is missing has none.

    `marks` has the places of what is directly inside each mapping and list of `content`, by its identity.
    """
    found = None
    while path:
        here = marks.get(id(content), {})
        step = next((one for one in _first_steps(path) if one in here), None)
        if step is None:
            return found
        found, content = here[step], content[step]
        path = path[len(f"[{step}]" if isinstance(step, int) else step) :].removeprefix(".")
    return found


def _first_steps(path: str) -> Iterator[Step]:
    # A key may have dots and brackets of its own, so what is longest comes first.
    if path[0] == "[" and path[1 : path.find("]")].isdecimal():
        yield int(path[1 : path.find("]")])
    yield path
    yield from (path[:end] for end in range(len(path) - 1, 0, -1) if path[end] in ".[")
