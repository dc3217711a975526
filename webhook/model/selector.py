"""Label selectors as trees, which print as Calico selectors.

The grammar has two kinds of quotes and no escapes (libcalico-go, lib/selector/tokenizer), so a value with both kinds cannot
be expressed. Label values, and values that were read from a selector, never have both.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from itertools import product

from msgspec import Struct, structs

# Calico's limit on a selector field (projectcalico.org/v3 schema, maxLength).
LONGEST = 1024


class Equals(Struct, frozen=True):
    """The label `key` has exactly `value`."""

    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key} == {quoted(self.value)}"


class OneOf(Struct, frozen=True):
    """The label `key` has one of `values`."""

    key: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.key} in {listed(self.values)}"


class Has(Struct, frozen=True):
    """The label `key` exists."""

    key: str

    def __str__(self) -> str:
        return f"has({self.key})"


class Like(Struct, frozen=True):
    """The label `key` has a value that contains `value`, starts or ends with it; `how` is Calico's own word."""

    key: str
    how: str
    value: str

    def __str__(self) -> str:
        return f"{self.key} {self.how} {quoted(self.value)}"


class Global(Struct, frozen=True):
    """Selects objects without a namespace."""

    def __str__(self) -> str:
        return "global()"


class Not(Struct, frozen=True):
    """The negation of a part; for a label comparison, it is also true if the label does not exist."""

    part: "Selector"

    def __str__(self) -> str:
        match self.part:
            case Equals(key, value):
                return f"{key} != {quoted(value)}"
            case OneOf(key, values):
                return f"{key} not in {listed(values)}"
        return f"!{parenthesized(self.part)}"


class AllOf(Struct, frozen=True):
    """True if every part is; without parts, everything is selected."""

    parts: tuple["Selector", ...]

    def __str__(self) -> str:
        return " && ".join(map(parenthesized, self.parts)) or "all()"


class AnyOf(Struct, frozen=True):
    """True if one of its two or more parts is."""

    parts: tuple["Selector", ...]

    def __str__(self) -> str:
        return " || ".join(map(parenthesized, self.parts))


Selector = Equals | OneOf | Has | Like | Global | Not | AllOf | AnyOf

EVERYTHING = AllOf(())


def labels(wanted: Mapping[str, str]) -> AllOf:
    """Return a selector for the equality of each label, in the order of keys."""
    return AllOf(tuple(Equals(key, value) for key, value in sorted(wanted.items())))


def both(first: Selector, second: Selector) -> Selector:
    """Return the conjunction of two selectors."""
    parts = tuple(one for one in (first, second) if one != EVERYTHING)
    return parts[0] if len(parts) == 1 else AllOf(parts)


def values_of(selector: Selector, *keys: str) -> frozenset[str] | None:
    """Return the only values that a selected object may have under labels that mean the same; None where any, or none."""
    match selector:
        case Equals(own, value):
            return frozenset({value}) if own in keys else None
        case OneOf(own, values):
            return frozenset(values) if own in keys else None
        case AllOf(parts):
            found = [each for part in parts if (each := values_of(part, *keys)) is not None]
            return reduce(frozenset.intersection, found) if found else None
        case AnyOf(parts):
            confined = [each for part in parts if (each := values_of(part, *keys)) is not None]
            return frozenset().union(*confined) if len(confined) == len(parts) else None
    return None


class CommonLabels(Struct, frozen=True):
    """Labels that every object of a kind has, so that asking for one selects no object in particular.

    `distinct` are labels whose value differs from object to object: a value is particular, the label is not. `closed` has
    the values that a label may have: a selector that takes all of them is not particular either.
    """

    distinct: frozenset[str] = frozenset()
    closed: tuple[tuple[str, frozenset[str]], ...] = ()


NO_COMMON_LABELS = CommonLabels()
# A piece of a name that is shorter is part of too many names to mean any of them.
SHORTEST_PIECE = 3


def is_narrow(selector: Selector, common: CommonLabels = NO_COMMON_LABELS) -> bool:
    """Return whether a selector requires a label or a value that not every object has.

    What a selector only excludes does not make it narrow: it selects nearly everything.
    """
    each_value = ([(key, value) for value in values] for key, values in common.closed)
    if not any(requires_own_label(selector, common.distinct, known=dict(known)) for known in product(*each_value)):
        return False
    return requires_own_label(selector, common.distinct, known={})


def requires_own_label(  # noqa: PLR0911 (one for each kind of node)
    selector: Selector, distinct: frozenset[str], *, known: Mapping[str, str]
) -> bool:
    """Return whether a selected object needs a label in addition to the `known` labels."""
    match selector:
        case AllOf(parts):
            return any(requires_own_label(part, distinct, known=known) for part in parts)
        case AnyOf(parts):
            return all(requires_own_label(part, distinct, known=known) for part in parts)
        case Not(part):
            return isinstance(part, Not) and requires_own_label(part.part, distinct, known=known)
        case Global():
            return False
        case Equals(key) | OneOf(key) | Has(key) | Like(key) if key in known:
            return not holds(selector, known[key])
    if selector.key not in distinct:
        return True
    return not isinstance(selector, Has) and (not isinstance(selector, Like) or len(selector.value) >= SHORTEST_PIECE)


def holds(selector: Equals | OneOf | Has | Like, found: str) -> bool:
    """Return whether a label comparison is true for a value of the label."""
    match selector:
        case Equals(_, value):
            return found == value
        case OneOf(_, values):
            return found in values
        case Like(_, "starts with", value):
            return found.startswith(value)
        case Like(_, "ends with", value):
            return found.endswith(value)
        case Like(_, _, value):
            return value in found
    return True


def renamed(selector: Selector, prefix: str) -> Selector:
    """Return a selector with a prefix before each label's name, as Calico keeps labels of namespaces and accounts."""
    match selector:
        case Not(part):
            return Not(renamed(part, prefix))
        case AllOf(parts):
            return AllOf(tuple(renamed(part, prefix) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(renamed(part, prefix) for part in parts))
        case Global():
            return selector
    return structs.replace(selector, key=f"{prefix}{selector.key}")


def with_labels_mapped(selector: Selector, name: Callable[[str], str]) -> Selector:
    """Return the part of a selector about labels for which `name` returns another name, under that name.

    Parts about other labels select everything, so the result can select more, and never less.
    """
    match selector:
        case Not(part):
            return Not(with_labels_mapped(part, name))
        case AllOf(parts):
            return AllOf(tuple(with_labels_mapped(part, name) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(with_labels_mapped(part, name) for part in parts))
        case Global():
            return EVERYTHING
    other = name(selector.key)
    return structs.replace(selector, key=other) if other else EVERYTHING


def conjuncts(selector: Selector) -> Iterator[Selector]:
    """Yield each part of a selector that has to hold by itself."""
    if isinstance(selector, AllOf):
        for part in selector.parts:
            yield from conjuncts(part)
    else:
        yield selector


def quoted(value: str) -> str:
    """Return a quoted value, with single quotes if possible; raises ValueError for a value with both kinds of quotes."""
    mark = '"' if "'" in value else "'"
    if mark in value:
        raise ValueError(f"a Calico selector cannot express {value!r}")
    return f"{mark}{value}{mark}"


def listed(values: tuple[str, ...]) -> str:
    """Return values as a set literal; raises ValueError for a value with both kinds of quotes."""
    return f"{{{', '.join(map(quoted, values))}}}"


def parenthesized(part: Selector) -> str:
    """Return the text of a part inside another one, in parentheses if needed."""
    return f"({part})" if isinstance(part, AllOf | AnyOf) and part.parts else str(part)


def printed(selector: Selector) -> str:
    """Return the selector's text; raises ValueError above Calico's limit."""
    text = str(selector)
    if len(text) > LONGEST:
        raise ValueError(f"the selector has {len(text)} characters, and the limit of Calico is {LONGEST}: {text[:80]}…")
    return text
