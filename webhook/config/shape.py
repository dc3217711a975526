"""Look up the keys of the policy's model at a path of the file, and the descriptions of these keys."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal, TypeGuard, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from webhook.config.places import Step
from webhook.model.fields import Node
from webhook.model.policy import GuardPolicy


def keys_at(path: Iterable[Step]) -> list[str]:
    """Return the keys that the policy has at a path; none if the path leads to no mapping with fixed keys."""
    model = model_at(path)
    return [field.alias or "" for field in model.model_fields.values()] if model else []


def mappings_at(path: Iterable[Step]) -> list[str]:
    """Return the keys at a path whose values are mappings with fixed keys."""
    model = model_at(path)
    fields = model.model_fields.values() if model else ()
    return [field.alias or "" for field in fields if is_model(field.annotation)]


def is_model(annotation: Any) -> TypeGuard[type[Node]]:
    """Return whether an annotation is a model."""
    return isinstance(annotation, type) and issubclass(annotation, Node)


@cache
def homes() -> dict[str, list[str]]:
    """Return the paths of each key of the policy file by its name, without keys inside of lists.

    A path of keys alone does not reach an item of a list.
    """
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, type[Node]]] = [("", GuardPolicy)]
    for path, model in waiting:
        for field in model.model_fields.values():
            here = f"{path}{field.alias}"
            found.setdefault(field.alias or "", []).append(here)
            if is_model(field.annotation):
                waiting.append((f"{here}.", field.annotation))
    return found


def description_at(path: Iterable[Step]) -> str:
    """Return the description of the key at the end of a path; empty if the model does not know it."""
    *before, last = path
    field = field_of(model_at(before), last)
    return (field.description or "") if field else ""


def is_required(path: Iterable[Step]) -> bool:
    """Return whether the key at the end of a path has no default."""
    *before, last = path
    field = field_of(model_at(before), last)
    return field is not None and field.is_required()


def model_at(path: Iterable[Step]) -> type[Node] | None:
    """Return the model of the mapping at a path; None for a mapping whose keys users choose."""
    model: type[Node] | None = GuardPolicy
    is_open = False
    for step in path:
        if isinstance(step, int):
            continue
        if is_open:
            is_open = False
            continue
        field = field_of(model, step)
        model = next(models(field.annotation), None) if field else None
        is_open = field is not None and get_origin(field.annotation) is dict
    return None if is_open else model


def only_value(path: Iterable[Step]) -> str:
    """Return the only word that the key at the end of a path may have; empty if there are several."""
    *before, last = path
    field = field_of(model_at(before), last)
    words = get_args(field.annotation) if field and get_origin(field.annotation) is Literal else ()
    return str(words[0]) if len(words) == 1 else ""


def field_of(model: type[Node] | None, key: Step) -> FieldInfo | None:
    """Return the field of a model with a given key."""
    fields = model.model_fields.values() if model else ()
    return next((field for field in fields if field.alias == key), None)


def models(annotation: Any) -> Iterator[type[Node]]:
    """Yield the models inside an annotation such as `tuple[Requirement, ...]`."""
    if is_model(annotation):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from models(inner)


@cache
def adapter(model: type[Node], name: str) -> TypeAdapter[Any]:
    """Return the validator of one field of a model."""
    return TypeAdapter(model.model_fields[name].rebuild_annotation())


def takes(path: Iterable[Step], value: Any) -> bool:
    """Return whether the model takes a value at a path that leads to a key or to an item of its list."""
    *before, last = path
    if isinstance(last, int):
        return bool(before) and takes(before, [value])
    model = model_at(before)
    name = next((name for name, field in model.model_fields.items() if field.alias == last), "") if model else ""
    if model is None or not name:
        return True  # users choose this key
    try:
        adapter(model, name).validate_python(value)
    except ValidationError:
        return False
    return True
