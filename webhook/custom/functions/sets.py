"""Lists taken for sets (cel-go, ext/sets.go)."""

from typing import Any

from webhook.custom.functions.function import Function, Kind, same
from webhook.custom.functions.lists import affordable


def contains(items: list[Any], others: list[Any]) -> bool:
    """Whether each of the others is among the items."""
    affordable(items, others)
    return all(any(same(item, other) for item in items) for other in others)


def equivalent(items: list[Any], others: list[Any]) -> bool:
    """Whether each is among the other's items."""
    return contains(items, others) and contains(others, items)


def intersects(items: list[Any], others: list[Any]) -> bool:
    """Whether they share an item."""
    affordable(items, others)
    return any(same(item, other) for item in items for other in others)


FUNCTIONS = tuple(
    Function(f"sets.{call.__name__}", (Kind.LIST, Kind.LIST), Kind.BOOL, call, is_member=False)
    for call in (contains, equivalent, intersects)
)
