"""Find the place of each key and item in the text of a policy file."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Step = str | int
Marks = Mapping[int, Mapping[Step, "Place"]]


class Place(NamedTuple):
    """A line and a column; both start at one, as in editors."""

    line: int
    column: int


def place(mark: Any) -> Place:
    """Return the place of a mark of PyYAML, which counts from zero."""
    return Place(mark.line + 1, mark.column + 1)


def written(path: Iterable[Step]) -> str:
    """Return a path as users write it, such as `workloads.require[0].label`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(path: str, content: Any, marks: Marks) -> Place | None:
    """Return the place of a path, or of the innermost enclosing key that the file has.

    `marks` maps the identity of each mapping and list in `content` to the places of its direct members.
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
    # A key may contain dots and brackets, so the longest step comes first.
    if path[0] == "[" and path[1 : path.find("]")].isdecimal():
        yield int(path[1 : path.find("]")])
    yield path
    yield from (path[:end] for end in range(len(path) - 1, 0, -1) if path[end] in ".[")
