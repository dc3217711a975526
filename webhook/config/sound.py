"""Judge the sound parts of a policy file that has faults, so that users see all faults together.

The file becomes a policy with gaps. A gap is a field that the policy object lacks. A check that reads a gap ends there,
so the broken part alone causes no further fault. If a check ends at an item of a list, it runs again without the items
that have gaps.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, get_args, get_origin

from msgspec import Struct
from pydantic import TypeAdapter, ValidationError

from webhook.config.faults import PolicyFault
from webhook.config.places import Step, written
from webhook.config.shape import adapter, models
from webhook.model.fields import Node
from webhook.model.policy import GuardPolicy
from webhook.syntax.values import ANY

Path = tuple[Step, ...]
Check = Callable[[GuardPolicy], Iterator[PolicyFault]]
Remark = Callable[[GuardPolicy, datetime], Iterator[PolicyFault]]
# Lists whose items are judged and that name nothing for other parts of the file: a missing item makes no other name
# unknown.
JUDGED: Final[tuple[Path, ...]] = (("network", "flows"), ("exceptions",), ("namespaces", "overrides"))


class Gaps(Struct, frozen=True):
    """The paths of a file that are broken; a path that ends with ANY stands for the keys that a mapping does not have.

    `around` are these paths and all that lead to them.
    """

    paths: frozenset[Path] = frozenset()
    around: frozenset[Path] = frozenset()


class Missing(NamedTuple):
    """Replace a value that is broken."""


MISSING: Final = Missing()


def gaps(broken: Iterable[Path]) -> Gaps:
    """Return the gaps that broken values leave."""
    paths = frozenset(broken)
    return Gaps(paths, frozenset(path[:end] for path in paths for end in range(len(path) + 1)))


def judged(
    content: Any, found: Gaps, checks: Mapping[Check, tuple[Path, ...]], always: tuple[Path, ...] = JUDGED
) -> Iterator[PolicyFault]:
    """Yield each fault of the sound parts.

    `checks` maps each check to lists whose broken items it may leave out, in addition to the lists of `always`.
    """
    if () in found.paths:
        return
    whole = built(GuardPolicy, content, (), found)
    for check, lists in checks.items():
        told: list[PolicyFault] = []
        if not complete(check(whole), told) and not (lists and complete_without(lists, check, content, found, told)):
            complete_without((*always, *lists), check, content, found, told)
        yield from told


def complete_without(lists: tuple[Path, ...], check: Check, content: Any, found: Gaps, told: list[PolicyFault]) -> bool:
    """Return whether a check runs to its end without the broken items of these lists, and collect its further faults."""
    left, gaps_left, kept = without(content, found, lists)
    others: list[PolicyFault] = []
    is_complete = complete(check(built(GuardPolicy, left, (), gaps_left)), others)
    moved = [PolicyFault(numbered(one.path, kept), numbered(one.message, kept)) for one in others]
    known = {one.path for one in told}
    told += (one for one in moved if one.path not in known)
    return is_complete


def complete(faults: Iterator[PolicyFault], told: list[PolicyFault]) -> bool:
    """Return whether a check runs to its end, and collect its faults."""
    try:
        told.extend(faults)
    except AttributeError as bad:
        if isinstance(bad.obj, Node) and bad.name in type(bad.obj).model_fields:
            return False
        raise
    return True


def built(model: type[Node], content: Any, path: Path, found: Gaps) -> Any:
    """Return an object of a model without its broken fields; `path` leads to it."""
    given: dict[str, Any] = {}
    lacking = []
    unknown = (*path, ANY) in found.paths or path in found.paths or not isinstance(content, dict)
    for name, field in model.model_fields.items():
        key = field.alias or name
        here = (*path, key)
        is_there = isinstance(content, dict) and key in content
        value = part(model, name, content[key], here, found) if is_there else MISSING
        if value is not MISSING:
            given[key] = value
        elif is_there or unknown or field.is_required() or here in found.paths:
            lacking.append(name)
    made = model.model_construct(**given)
    for name in lacking:
        made.__dict__.pop(name, None)
    return made.without_overridden_defaults()


def part(model: type[Node], name: str, value: Any, path: Path, found: Gaps) -> Any:
    """Return the sound part of the value of one field; MISSING if the value is broken."""
    annotation = model.model_fields[name].annotation
    if path not in found.around:
        return adapter(model, name).validate_python(value)
    inner = next(models(annotation), None)
    if isinstance(value, list):
        if inner is not None and path not in found.paths:
            return tuple(built(inner, one, (*path, number), found) for number, one in enumerate(value))
        return once_each(adapter(model, name), value)
    if not isinstance(value, dict) or inner is None or path in found.paths:
        return MISSING
    if dict in {get_origin(one) for one in (annotation, *get_args(annotation))}:
        return {key: built(inner, one, (*path, key), found) for key, one in value.items()}
    return built(inner, value, path, found)


def once_each(check: TypeAdapter[Any], value: list[Any]) -> Any:
    """Return a list whose only fault is a repeated item, without the repetition; MISSING for any other list."""
    try:
        return check.validate_python(list(dict.fromkeys(value)))
    except (ValidationError, TypeError):
        return MISSING


def without(content: Any, found: Gaps, lists: Iterable[Path]) -> tuple[Any, Gaps, dict[str, list[int]]]:
    """Return a file without the broken items of some lists, its gaps, and the original numbers of the items left."""
    left, paths, kept = content, set(found.paths), {}
    for path in lists:
        broken = {one[len(path)] for one in found.paths if one[: len(path)] == path and len(one) > len(path)}
        items = value_at(content, path)
        if not broken or path in found.paths or not isinstance(items, list):
            continue
        numbers = [number for number in range(len(items)) if number not in broken]
        left = replaced(left, path, [items[number] for number in numbers])
        paths = {one for one in paths if one[: len(path)] != path}
        kept[written(path)] = numbers
    return left, gaps(paths), kept


def value_at(content: Any, path: Path) -> Any:
    """Return the value at a path; None if there is none."""
    for step in path:
        if isinstance(content, list) and isinstance(step, int):
            content = content[step] if step < len(content) else None
        else:
            content = content.get(step) if isinstance(content, dict) else None
    return content


def replaced(content: Mapping[Any, Any], path: Path, value: Any) -> Any:
    """Return a file with another value at an existing path of keys."""
    key, *rest = path
    return {**content, key: replaced(content[key], tuple(rest), value) if rest else value}


def numbered(text: str, kept: Mapping[str, list[int]]) -> str:
    """Return a path or a message with the item numbers of the file."""
    lists = "|".join(map(re.escape, kept))
    return re.sub(rf"(?<![\w.])({lists})\[(\d+)\]", lambda found: f"{found[1]}[{kept[found[1]][int(found[2])]}]", text)
