"""What a function of CEL is: a name, its types, and what it does."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """The types that our functions take and give.

    A `VALUE` is what CEL has no type for, such as a quantity: a mapping of one key, which says what it is, to its
    canonical text, so that equal ones are equal. The library takes no types of other people's.
    """

    STRING = "string"
    STRINGS = "list(string)"
    INT = "int"
    DOUBLE = "double"
    BOOL = "bool"
    LIST = "list(dyn)"
    VALUE = "map(string, string)"
    DYN = "dyn"


class Function(NamedTuple):
    """One overload; a member is called on its first parameter. `call` raises ValueError with what the user reads."""

    name: str
    parameters: tuple[Kind, ...]
    result: Kind
    call: Callable[..., Any]
    is_member: bool = True


def text_of(value: dict[str, str], sort: str) -> str:
    """The canonical text of a value of one sort; raises ValueError for any other mapping."""
    text = value.get(sort)
    if not isinstance(text, str) or len(value) != 1:
        raise ValueError(f"no such overload: this is no {sort}")
    return text


def same(one: Any, other: Any) -> bool:
    """Equality as CEL has it: numbers by value, and true is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)
