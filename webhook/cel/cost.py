"""Compute an upper limit for the cost of an expression before it runs.

The library stops after 10,000 steps of all loops of a run. But one step may read the whole object, and the library holds the interpreter
lock meanwhile. So the cost is the number of steps for the longest lists of the object and of the rule's params, times the size
of both. An expression above the budget does not run. The limit depends on the input only, not on a clock, so the same object always
gets the same answer.
"""

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Final, NamedTuple

MOST_STEPS: Final = 10_000  # cel-cpp, RuntimeOptions::comprehension_max_iterations
# Bytes read in all steps together: 0.1 to 0.5 s of one core (benchmarks/cel.py).
BUDGET: Final = 100_000_000
# The cost of all custom rules together from which a decision may leave the event loop: usually 0.1 ms, and 25 ms for an expression of only
# expensive operations.
LIGHT_COST: Final = 5_000_000
# Far above what the API server accepts; a short YAML file can have many more, by aliases.
MOST_NODES: Final = 1_000_000
# Far above any workload; the library compares nested values by recursion.
DEEPEST: Final = 200
LONGEST_NUMBER: Final = 1024  # bits; JSON has no more, and CEL 64
NODE_BYTES: Final = 8
# For each item that map and filter add, the library makes a new list from the old one, and keeps all lists until the run ends.
GROWN_BYTES: Final = 16
# The bytes of one item of a list that is sorted, reversed or cut; also kept until the run ends.
COPIED_BYTES: Final = 80
# Pairs of items that are compared in the time in which another function reads one byte.
PAIRED_AT_ONCE: Final = 2
# Bytes that memcmp compares in the time in which another function reads one byte.
COMPARED_AT_ONCE: Final = 64
# The bytes of each item of a literal list or mapping: it is created in each step, and kept until the run ends.
LITERAL_BYTES: Final = 64
# RE2 walks the whole pattern for each byte of the text, where the pattern is too large for its faster algorithm.
WALKED_AT_ONCE: Final = 2

# Tokens whose brackets and words are not part of the expression: string literals, raw ones first, quoted names and comments.
OPAQUE: Final = re.compile(
    r"""//[^\n]*|`[^`\n]*`
    |(?:[bB]?[rR]|[rR][bB])(?:\'{3}.*?\'{3}|"{3}.*?"{3}|'[^'\n]*'|"[^"\n]*")
    |[bB]?(?:\'{3}(?:\\.|.)*?\'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")""",
    re.DOTALL | re.VERBOSE,
)
# A chain of field names, with an optional dot before it and an optional bracket after it; or a bracket alone.
NAMES: Final = re.compile(r"(\.\s*+\??\s*+)?+(\w++(?:\s*+\.\s*+\??\s*+\w++)*+)(\s*+\()?+|[()]")
LOOPS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter", "transformList"})
ROOTS: Final = frozenset({"object", "oldObject", "request", "namespaceObject"})
SHADOWS: Final = re.compile(rf"[(,]\s*(?:{'|'.join(sorted(ROOTS))}|params)\s*,")
GROWS: Final = re.compile(r"\b(map|filter|transformList)\b")
COPIES: Final = re.compile(r"\b(distinct|reverse|slice|sort)\b")
WRITES: Final = re.compile(r"[\[{,:]")
JOINS: Final = re.compile(r"\+")
# Each function creates a text of the same length as its input; `strings.quote` one of twice the length.
MAKES: Final = re.compile(r"\b(lowerAscii|upperAscii|trim|substring|reverse|strings|quote|string|bytes)\b")
PAIRS: Final = re.compile(r"\b(distinct|sets)\b")
# A search is cheap only if the searched text is a literal or one of the rule's params; both may otherwise be halves of a user's text.
KNOWN: Final = r"(?!\s*\(\s*(?:''|params(?:\.\w+)+)\s*[,)])"
SEARCHES: Final = re.compile(rf"(?<!sets\.)\b(contains|indexOf|lastIndexOf)\b{KNOWN}")
MATCHES: Final = re.compile(rf"\bmatches\b{KNOWN}")


class LoopNest(NamedTuple):
    """A loop with the loops around it: the number over lists of the object, the params that are looped over, and the number of others."""

    own: int = 0
    params: tuple[tuple[str, ...], ...] = ()
    others: int = 0


class ExpressionShape(NamedTuple):
    """The properties of an expression that determine its cost: its loops, its length, and the number of expensive operations of each type."""

    loops: tuple[LoopNest, ...]
    length: int = 0
    writes: int = 0
    grows: int = 0
    copies: int = 0
    joins: int = 0
    makes: int = 0
    pairs: int = 0
    searches: int = 0
    matches: int = 0


class ObjectSize(NamedTuple):
    """The properties of an object that determine the cost: its approximate number of bytes, and the length of its longest list or mapping."""

    size: int
    longest: int

    def __or__(self, other: "ObjectSize") -> "ObjectSize":
        """Return the size of both objects together."""
        return ObjectSize(self.size + other.size, max(self.longest, other.longest))


# No object that makes Pods is smaller once the API server has filled it in.
SMALLEST: Final = ObjectSize(1_000, 8)


class TooLargeError(Exception):
    """The object is too large to run an expression; the message says why."""


def shape_of(expression: str) -> ExpressionShape:
    """Return the shape of an expression by its text: an upper limit."""
    text = without_literals(expression)
    traits = (WRITES, GROWS, COPIES, JOINS, MAKES, PAIRS, SEARCHES, MATCHES)
    return ExpressionShape(tuple(loop_nests(text)), len(expression), *(len(trait.findall(text)) for trait in traits))


def without_literals(expression: str) -> str:
    """Return an expression without its string literals, quoted names and comments."""
    return OPAQUE.sub(lambda found: " " if found[0].startswith("/") else "''", expression)


def loop_nests(text: str) -> Iterator[LoopNest]:
    """Yield each loop with the loops around it; a loop over the result of another one is not inside of that one."""
    around = [LoopNest()]
    shadowed = SHADOWS.search(text) is not None
    for found in NAMES.finditer(text):
        if found[0] == ")":
            around = around[:-1] or [LoopNest()]
        elif found[0].endswith("("):
            *names, called = re.findall(r"\w+", found[2] or "") or [""]
            nest = around[-1]
            if called in LOOPS:
                nest = nested_loop(nest, () if shadowed or found[1] else tuple(names))
                yield nest
            around.append(nest)


def nested_loop(nest: LoopNest, names: tuple[str, ...]) -> LoopNest:
    """Return a loop inside of others; `names` is the path of its list, empty if the list is not a plain path."""
    if names and names[0] in ROOTS:
        return nest._replace(own=nest.own + 1)
    if names and names[0] == "params":
        return nest._replace(params=(*nest.params, names[1:]))
    return nest._replace(others=nest.others + 1)


def measure(*values: Any) -> ObjectSize:
    """Return the size of the values that expressions read.

    Raises TooLargeError, and ValueError for a lone surrogate: for either of the two, the library crashes the process when it formats an
    error message.
    """
    size = longest = 0
    for nodes, value in enumerate(walk_values(values)):
        if nodes >= MOST_NODES:
            raise TooLargeError(f"the object has more than {MOST_NODES} fields")
        size += NODE_BYTES
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode())
        elif isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
            raise TooLargeError(f"a number in the object has {value.bit_length()} bits")
        elif isinstance(value, dict | list):
            longest = max(longest, len(value))
    return ObjectSize(size, longest)


def walk_values(values: tuple[Any, ...]) -> Iterator[Any]:
    """Yield each value and key inside of the values, level by level; raises TooLargeError for too many levels."""
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
            if len(below) > MOST_NODES:  # checked for each value, since all may be the same value by aliases
                raise TooLargeError(f"the object has more than {MOST_NODES} fields")
        if not below:
            return
        level = below
    raise TooLargeError(f"the nesting of the object is deeper than {DEEPEST} levels")


def estimated_cost(shape: ExpressionShape, size: ObjectSize, params: Mapping[str, Any] | None = None) -> int:
    """Return the most bytes that an expression of a shape can read in an object of a size, in all steps together."""
    known = measure(params) if params else ObjectSize(0, 0)
    longest = max(size.longest, known.longest, shape.writes)
    whole = size.size + known.size + shape.length + LITERAL_BYTES * shape.writes
    each = sum(
        (
            whole,
            GROWN_BYTES * longest * shape.grows,
            COPIED_BYTES * longest * shape.copies,
            whole * joined(shape),
            whole * shape.makes,
            whole * longest // PAIRED_AT_ONCE * shape.pairs,
            whole**2 // COMPARED_AT_ONCE * shape.searches,
            whole**2 // WALKED_AT_ONCE * shape.matches,
        )
    )
    return steps(shape, size.longest, longest, params) * each


def checked_cost(shape: ExpressionShape, size: ObjectSize, params: Mapping[str, Any] | None = None) -> int:
    """Return the cost of an expression of a shape for an object of a size; raises TooLargeError above the budget."""
    if (cost := estimated_cost(shape, size, params)) > BUDGET:
        raise TooLargeError(
            f"the object is too large for the expression: about {size.size} bytes, and {size.longest} items in one list"
        )
    return cost


def steps(shape: ExpressionShape, own: int, longest: int, params: Mapping[str, Any] | None) -> int:
    """Return the most steps of all loops together."""
    taken = 0
    for nest in shape.loops:
        known = [length(params, path) for path in nest.params]
        taken += own**nest.own * longest**nest.others * prod(longest if one is None else one for one in known)
        if taken >= MOST_STEPS:
            return MOST_STEPS
    return max(taken, 1)


def length(params: Any, path: tuple[str, ...]) -> int | None:
    """Return the length of a list or mapping of the params; None where there is none."""
    for name in path:
        params = params.get(name) if isinstance(params, dict) else None
    return len(params) if isinstance(params, dict | list) else None


def joined(shape: ExpressionShape) -> int:
    """Return how many copies of all input the texts that `+` creates can contain.

    a + b + c creates a + b first, and keeps it. The next loop may join the result of a loop with itself.
    """
    each, rest = divmod(shape.joins, len(shape.loops) + 1)
    doubled: int = (1 + each) ** (len(shape.loops) + 1 - rest) * (2 + each) ** rest - 1
    return max(shape.joins * (shape.joins + 1) // 2, doubled)
