"""Lists (k8s.io/apiserver, pkg/cel/library/lists.go; cel-go, ext/lists.go)."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from webhook.custom.functions.function import Function, Kind, same

# Each pair of items may be compared, in Python.
MOST_COMPARISONS: Final = 100_000
SCALARS: Final = (Kind.STRING, Kind.INT, Kind.DOUBLE, Kind.BOOL)


def is_sorted(items: list[Any]) -> bool:
    """Whether no item is greater than the next."""
    comparable(items)
    return all(one <= other for one, other in pairwise(items))


def total(items: list[Any]) -> Any:
    """The sum of numbers; 0 of none."""
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        raise ValueError("sum: an item is no number")
    return sum(items)


def smallest(items: list[Any]) -> Any:
    """The smallest item; raises ValueError of none."""
    comparable(items)
    if not items:
        raise ValueError("min called on empty list")
    return min(items)


def greatest(items: list[Any]) -> Any:
    """The greatest item; raises ValueError of none."""
    comparable(items)
    if not items:
        raise ValueError("max called on empty list")
    return max(items)


def index_of(items: list[Any], wanted: Any) -> int:
    """Where an item first stands, -1 where it does not."""
    return next((index for index, item in enumerate(items) if same(item, wanted)), -1)


def last_index_of(items: list[Any], wanted: Any) -> int:
    """Where an item last stands, -1 where it does not."""
    return next((index for index in reversed(range(len(items))) if same(items[index], wanted)), -1)


def part(items: list[Any], start: int, end: int) -> list[Any]:
    """The items between two places, the second not among them."""
    if not 0 <= start <= end <= len(items):
        raise ValueError(f"slice: {start} to {end} of {len(items)} items")
    return items[start:end]


def distinct(items: list[Any]) -> list[Any]:
    """The items, each once, in their order."""
    affordable(items, items)
    kept: list[Any] = []
    for item in items:
        if not any(same(item, other) for other in kept):
            kept.append(item)
    return kept


def in_order(items: list[Any]) -> list[Any]:
    """The items from the smallest to the greatest."""
    comparable(items)
    return sorted(items)


def backwards(items: list[Any]) -> list[Any]:
    """The items from the last to the first."""
    return items[::-1]


def comparable(items: list[Any]) -> None:
    """Raises ValueError for items of several types, or of one that has no order."""
    kinds = {type(item) for item in items}
    if kinds - {str} and kinds - {int, float} and kinds - {bool}:
        raise ValueError("no such overload: items that cannot be compared")


def affordable(items: list[Any], others: list[Any]) -> None:
    """Raises ValueError where too many pairs would be compared."""
    if len(items) * len(others) > MOST_COMPARISONS:
        raise ValueError(f"more than {MOST_COMPARISONS} comparisons")


def on_list(name: str, call: Callable[..., object], *others: Kind, result: Kind = Kind.DYN) -> Function:
    """A member of lists."""
    return Function(name, (Kind.LIST, *others), result, call)


FUNCTIONS = (
    on_list("isSorted", is_sorted, result=Kind.BOOL),
    on_list("sum", total),
    on_list("min", smallest),
    on_list("max", greatest),
    *(on_list("indexOf", index_of, kind, result=Kind.INT) for kind in SCALARS),
    *(on_list("lastIndexOf", last_index_of, kind, result=Kind.INT) for kind in SCALARS),
    on_list("slice", part, Kind.INT, Kind.INT, result=Kind.LIST),
    on_list("distinct", distinct, result=Kind.LIST),
    on_list("sort", in_order, result=Kind.LIST),
    on_list("reverse", backwards, result=Kind.LIST),
)
