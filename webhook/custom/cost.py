"""What an expression may cost at most, told before it runs.

The library stops after 10,000 steps of all loops of a run, but one step may walk the whole object, and it holds the
interpreter meanwhile.  So the steps that an object's longest list allows are multiplied by the object's size, and what is
beyond the budget is not run: a bound by what is known, not by a clock, so that one object gets one answer, always.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

MOST_STEPS: Final = 10_000  # cel-cpp, RuntimeOptions::comprehension_max_iterations
# Bytes looked at, in all steps together: 0.1 to 0.5 s of one core (benchmarks/cel.py).
BUDGET: Final = 100_000_000
# Far above what the API server takes; a short YAML file can be of many more, by aliases.
MOST_NODES: Final = 1_000_000
# Far above any workload; the library compares what is nested by recursion.
DEEPEST: Final = 200
NODE_BYTES: Final = 8
# The library makes a new list from the old one for each item that map and filter add, and keeps all until the run ends.
GROWN_BYTES: Final = 16
# What one item of a list takes that is sorted, reversed or cut; kept as long.
COPIED_BYTES: Final = 80
# Items that are compared with each other while something else looks at one byte.
PAIRED_AT_ONCE: Final = 2
# Bytes that memcmp compares while something else looks at one.
COMPARED_AT_ONCE: Final = 64
# RE2 walks a pattern once for each byte of the text, where the pattern is too large for its faster way.
WALKED_AT_ONCE: Final = 2

# What may hold brackets and words that are none of the expression's: texts, raw ones first, quoted names and comments.
OPAQUE: Final = re.compile(
    r"""//[^\n]*|`[^`\n]*`
    |(?:[bB]?[rR]|[rR][bB])(?:\'{3}.*?\'{3}|"{3}.*?"{3}|'[^'\n]*'|"[^"\n]*")
    |[bB]?(?:\'{3}(?:\\.|.)*?\'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")""",
    re.DOTALL | re.VERBOSE,
)
LOOP: Final = re.compile(r"\b(all|exists|exists_one|existsOne|map|filter|transformList)\s*\($")
GROWS: Final = re.compile(r"\b(map|filter|transformList)\b")
COPIES: Final = re.compile(r"\b(distinct|reverse|slice|sort)\b")
JOINS: Final = re.compile(r"\+")
PAIRS: Final = re.compile(r"\b(distinct|sets)\b")
# What is sought may be half of a user's text, in the other half, unless it is written out or the rule's own.
KNOWN: Final = r"(?!\s*\(\s*(?:''|params(?:\.\w+)+)\s*[,)])"
SEARCHES: Final = re.compile(rf"(?<!sets\.)\b(contains|indexOf|lastIndexOf)\b{KNOWN}")
MATCHES: Final = re.compile(rf"\bmatches\b{KNOWN}")


class Shape(NamedTuple):
    """What of an expression decides its cost: how deep its loops nest, and how often what is dear is written in it."""

    depth: int
    grows: int = 0
    copies: int = 0
    joins: int = 0
    pairs: int = 0
    searches: int = 0
    matches: int = 0


class Size(NamedTuple):
    """What of an object decides an expression's cost: about how many bytes it has, and its longest list or mapping."""

    size: int
    longest: int


class TooLargeError(Exception):
    """An object that an expression is not run over; the message says why."""


def shape_of(expression: str) -> Shape:
    """The shape of an expression by its text: never less than it is."""
    text = OPAQUE.sub(lambda found: " " if found[0].startswith("/") else "''", expression)
    traits = (GROWS, COPIES, JOINS, PAIRS, SEARCHES, MATCHES)
    return Shape(nesting(text), *(len(trait.findall(text)) for trait in traits))


def nesting(text: str) -> int:
    """How many loops stand in each other at most; one over the result of another counts as beside it."""
    loops: list[bool] = []
    deepest = 0
    for index, character in enumerate(text):
        if character == "(":
            loops.append(bool(LOOP.search(text, 0, index + 1)))
            deepest = max(deepest, sum(loops))
        elif character == ")" and loops:
            loops.pop()
    return deepest


def measured(*values: Any) -> Size:
    """The size of what expressions read; raises TooLargeError."""
    size = longest = 0
    for nodes, value in enumerate(walk(values)):
        if nodes >= MOST_NODES:
            raise TooLargeError(f"the object has more than {MOST_NODES} fields")
        size += NODE_BYTES
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, dict | list):
            longest = max(longest, len(value))
    return Size(size, longest)


def walk(values: tuple[Any, ...]) -> Iterator[Any]:
    """Each value inside of values, keys too, level by level; raises TooLargeError for too many levels."""
    level = list(values)
    for _ in range(DEEPEST):
        yield from level
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below += value.keys()
                below += value.values()
            elif isinstance(value, list):
                below += value
            if len(below) > MOST_NODES:  # before the next one is added, as all may be one by aliases
                raise TooLargeError(f"the object has more than {MOST_NODES} fields")
        if not below:
            return
        level = below
    raise TooLargeError(f"the object is nested more than {DEEPEST} levels deep")


def price(shape: Shape, size: Size) -> int:
    """How many bytes an expression of a shape may look at in an object of a size, in all steps together."""
    steps: int = min(size.longest**shape.depth, MOST_STEPS)
    each = sum(
        (
            size.size,
            GROWN_BYTES * size.longest * shape.grows,
            COPIED_BYTES * size.longest * shape.copies,
            size.size * shape.joins * (shape.joins + 1) // 2,  # a + b + c makes a + b first, and keeps it
            size.size * size.longest // PAIRED_AT_ONCE * shape.pairs,
            size.size**2 // COMPARED_AT_ONCE * shape.searches,
            size.size**2 // WALKED_AT_ONCE * shape.matches,
        )
    )
    return steps * each


def afford(shape: Shape, size: Size) -> None:
    """Raises TooLargeError where an expression of a shape may cost too much over an object of a size."""
    if price(shape, size) > BUDGET:
        raise TooLargeError(
            f"the object is too large for it, with about {size.size} bytes and {size.longest} items in one list"
        )
