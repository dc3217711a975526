"""What an expression may cost at most, told before it runs.

The library stops after 10,000 steps of all loops of a run, but one step may walk the whole object, and it holds the
interpreter meanwhile.  So the steps that the longest lists allow, the object's and the rule's own, are multiplied by the size
of both, and what is beyond the budget is not run: a bound by what is known, not by a clock, so that one object gets one
answer, always.
"""

import re
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Final, NamedTuple

MOST_STEPS: Final = 10_000  # cel-cpp, RuntimeOptions::comprehension_max_iterations
# Bytes looked at, in all steps together: 0.1 to 0.5 s of one core (benchmarks/cel.py).
BUDGET: Final = 100_000_000
# Far above what the API server takes; a short YAML file can be of many more, by aliases.
MOST_NODES: Final = 1_000_000
# Far above any workload; the library compares what is nested by recursion.
DEEPEST: Final = 200
LONGEST_NUMBER: Final = 1024  # bits; JSON has no more, and CEL 64
NODE_BYTES: Final = 8
# The library makes a new list from the old one for each item that map and filter add, and keeps all until the run ends.
GROWN_BYTES: Final = 16
# What one item of a list takes that is sorted, reversed or cut; kept as long.
COPIED_BYTES: Final = 80
# Items that are compared with each other while something else looks at one byte.
PAIRED_AT_ONCE: Final = 2
# Bytes that memcmp compares while something else looks at one.
COMPARED_AT_ONCE: Final = 64
# What each item of a list or mapping costs that is written out: it is made in each step anew, and kept until the run ends.
LITERAL_BYTES: Final = 64
# RE2 walks a pattern once for each byte of the text, where the pattern is too large for its faster way.
WALKED_AT_ONCE: Final = 2

# What may hold brackets and words that are none of the expression's: texts, raw ones first, quoted names and comments.
OPAQUE: Final = re.compile(
    r"""//[^\n]*|`[^`\n]*`
    |(?:[bB]?[rR]|[rR][bB])(?:\'{3}.*?\'{3}|"{3}.*?"{3}|'[^'\n]*'|"[^"\n]*")
    |[bB]?(?:\'{3}(?:\\.|.)*?\'{3}|"{3}(?:\\.|.)*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")""",
    re.DOTALL | re.VERBOSE,
)
# Names that lead on from each other, after something else or not, and the bracket behind them; or a bracket alone.
NAMES: Final = re.compile(r"(\.\s*+\??\s*+)?+(\w++(?:\s*+\.\s*+\??\s*+\w++)*+)(\s*+\()?+|[()]")
LOOPS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter", "transformList"})
ROOTS: Final = frozenset({"object", "oldObject", "request", "namespaceObject"})
SHADOWS: Final = re.compile(rf"[(,]\s*(?:{'|'.join(sorted(ROOTS))}|params)\s*,")
GROWS: Final = re.compile(r"\b(map|filter|transformList)\b")
COPIES: Final = re.compile(r"\b(distinct|reverse|slice|sort)\b")
WRITES: Final = re.compile(r"[\[{,:]")
JOINS: Final = re.compile(r"\+")
# Each makes a text as long as another; `strings.quote` one of twice the length.
MAKES: Final = re.compile(r"\b(lowerAscii|upperAscii|trim|substring|reverse|strings|quote|string|bytes)\b")
PAIRS: Final = re.compile(r"\b(distinct|sets)\b")
# What is sought may be half of a user's text, in the other half, unless it is written out or the rule's own.
KNOWN: Final = r"(?!\s*\(\s*(?:''|params(?:\.\w+)+)\s*[,)])"
SEARCHES: Final = re.compile(rf"(?<!sets\.)\b(contains|indexOf|lastIndexOf)\b{KNOWN}")
MATCHES: Final = re.compile(rf"\bmatches\b{KNOWN}")


class LoopNest(NamedTuple):
    """A loop with those around it: how many of them are over a list of the object's, over which of the params, and others."""

    own: int = 0
    params: tuple[tuple[str, ...], ...] = ()
    others: int = 0


class ExpressionShape(NamedTuple):
    """What of an expression decides its cost: its loops, its length, and how often what is dear is written."""

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
    """What of an object decides an expression's cost: about how many bytes it has, and its longest list or mapping."""

    size: int
    longest: int

    def __or__(self, other: "ObjectSize") -> "ObjectSize":
        """Both together."""
        return ObjectSize(self.size + other.size, max(self.longest, other.longest))


# No object that makes Pods is smaller once the API server has filled it in.
SMALLEST: Final = ObjectSize(1_000, 8)


class TooLargeError(Exception):
    """An object that an expression is not run over; the message says why."""


def shape_of(expression: str) -> ExpressionShape:
    """The shape of an expression by its text: never less than it is."""
    text = without_literals(expression)
    traits = (WRITES, GROWS, COPIES, JOINS, MAKES, PAIRS, SEARCHES, MATCHES)
    return ExpressionShape(tuple(loop_nests(text)), len(expression), *(len(trait.findall(text)) for trait in traits))


def without_literals(expression: str) -> str:
    """An expression without what its texts, quoted names and comments say."""
    return OPAQUE.sub(lambda found: " " if found[0].startswith("/") else "''", expression)


def loop_nests(text: str) -> Iterator[LoopNest]:
    """Each loop with those around it; one over the result of another stands beside it."""
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
    """A loop in others, by the names that lead to its list, if nothing but names does."""
    if names and names[0] in ROOTS:
        return nest._replace(own=nest.own + 1)
    if names and names[0] == "params":
        return nest._replace(params=(*nest.params, names[1:]))
    return nest._replace(others=nest.others + 1)


def measure(*values: Any) -> ObjectSize:
    """The size of what expressions read.

    Raises TooLargeError, and ValueError for half a character: the library takes the process with it for either of the two,
    where it puts them into words.
    """
    size = longest = 0
    for nodes, value in enumerate(walk_values(values)):
        if nodes >= MOST_NODES:
            raise TooLargeError(f"the object has more than {MOST_NODES} fields")
        size += NODE_BYTES
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode())
        elif isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
            raise TooLargeError(f"the object has a number of {value.bit_length()} bits")
        elif isinstance(value, dict | list):
            longest = max(longest, len(value))
    return ObjectSize(size, longest)


def walk_values(values: tuple[Any, ...]) -> Iterator[Any]:
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


def estimated_cost(shape: ExpressionShape, size: ObjectSize, params: Mapping[str, Any] | None = None) -> int:
    """How many bytes an expression of a shape may look at in an object of a size, in all steps together."""
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
    """The price of an expression of a shape over an object of a size; raises TooLargeError where that is too much."""
    if (cost := estimated_cost(shape, size, params)) > BUDGET:
        raise TooLargeError(
            f"the object is too large for it, with about {size.size} bytes and {size.longest} items in one list"
        )
    return cost


def steps(shape: ExpressionShape, own: int, longest: int, params: Mapping[str, Any] | None) -> int:
    """How many steps all loops take at most."""
    taken = 0
    for nest in shape.loops:
        known = [length(params, path) for path in nest.params]
        taken += own**nest.own * longest**nest.others * prod(longest if one is None else one for one in known)
        if taken >= MOST_STEPS:
            return MOST_STEPS
    return max(taken, 1)


def length(params: Any, path: tuple[str, ...]) -> int | None:
    """How long a list or mapping of the params is; None where there is none."""
    for name in path:
        params = params.get(name) if isinstance(params, dict) else None
    return len(params) if isinstance(params, dict | list) else None


def joined(shape: ExpressionShape) -> int:
    """How often all that is read can stand in the texts that `+` makes.

    a + b + c makes a + b first, and keeps it; and what a loop joins, the next one may join with itself.
    """
    each, rest = divmod(shape.joins, len(shape.loops) + 1)
    doubled: int = (1 + each) ** (len(shape.loops) + 1 - rest) * (2 + each) ** rest - 1
    return max(shape.joins * (shape.joins + 1) // 2, doubled)
