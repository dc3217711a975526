"""What labels are asked for, as a tree; its text is Calico's selector language.

The grammar has two kinds of quotes and no escapes (libcalico-go, lib/selector/tokenizer), so a value with both kinds cannot
be said: label values never have one, and nor has anything that was read from a selector.
"""

from collections.abc import Mapping
from functools import reduce

from msgspec import Struct

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
    """The label `key` is there."""

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
    """What is in no namespace."""

    def __str__(self) -> str:
        return "global()"


class Not(Struct, frozen=True):
    """The part does not hold; one about a label holds where that label is not there."""

    part: "Selector"

    def __str__(self) -> str:
        match self.part:
            case Equals(key, value):
                return f"{key} != {quoted(value)}"
            case OneOf(key, values):
                return f"{key} not in {listed(values)}"
        return f"!{grouped(self.part)}"


class AllOf(Struct, frozen=True):
    """Every part holds; with no part, everything is selected."""

    parts: tuple["Selector", ...]

    def __str__(self) -> str:
        return " && ".join(map(grouped, self.parts)) or "all()"


class AnyOf(Struct, frozen=True):
    """One of the parts holds, of which there are two or more."""

    parts: tuple["Selector", ...]

    def __str__(self) -> str:
        return " || ".join(map(grouped, self.parts))


Selector = Equals | OneOf | Has | Like | Global | Not | AllOf | AnyOf

EVERYTHING = AllOf(())


def labels(wanted: Mapping[str, str]) -> AllOf:
    """What selects by equality of each label, in the order of their keys."""
    return AllOf(tuple(Equals(key, value) for key, value in sorted(wanted.items())))


def both(first: Selector, second: Selector) -> Selector:
    """What two selectors select together."""
    parts = tuple(one for one in (first, second) if one != EVERYTHING)
    return parts[0] if len(parts) == 1 else AllOf(parts)


def values_of(selector: Selector, key: str) -> frozenset[str] | None:
    """The only values that whatever is selected may have under `key`; None where it may have any, or none at all."""
    match selector:
        case Equals(own, value):
            return frozenset({value}) if own == key else None
        case OneOf(own, values):
            return frozenset(values) if own == key else None
        case AllOf(parts):
            found = [each for part in parts if (each := values_of(part, key)) is not None]
            return reduce(frozenset.intersection, found) if found else None
        case AnyOf(parts):
            confined = [each for part in parts if (each := values_of(part, key)) is not None]
            return reduce(frozenset.union, confined) if len(confined) == len(parts) else None
    return None


def is_narrow(selector: Selector, *, always: frozenset[str] = frozenset()) -> bool:
    """Whether a label has to be there for something to be selected, other than those that are `always` there.

    What only says which labels must not be there, or not have a value, selects nearly everything.
    """
    match selector:
        case AllOf(parts):
            return any(is_narrow(part, always=always) for part in parts)
        case AnyOf(parts):
            return all(is_narrow(part, always=always) for part in parts)
        case Not(Not(part)):
            return is_narrow(part, always=always)
        case Has(key) | Like(key, _, ""):
            return key not in always
        case Not():
            return False
    return True


def quoted(value: str) -> str:
    """A value between quotes, single ones if it may be; raises ValueError for what the grammar cannot say."""
    mark = '"' if "'" in value else "'"
    if mark in value:
        raise ValueError(f"a Calico selector cannot say {value!r}")
    return f"{mark}{value}{mark}"


def listed(values: tuple[str, ...]) -> str:
    """Values as a set; raises ValueError for what the grammar cannot say."""
    return f"{{{', '.join(map(quoted, values))}}}"


def grouped(part: Selector) -> str:
    """A part inside another one, in brackets where they would otherwise be read together."""
    return f"({part})" if isinstance(part, AllOf | AnyOf) and part.parts else str(part)


def printed(selector: Selector) -> str:
    """The selector's text; raises ValueError above Calico's limit."""
    text = str(selector)
    if len(text) > LONGEST:
        raise ValueError(f"the selector has {len(text)} characters, Calico takes {LONGEST}: {text[:80]}…")
    return text
