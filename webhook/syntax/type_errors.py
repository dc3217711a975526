"""Describe objects of the wrong shape and bodies that are not JSON in the words of a file.

msgspec names its own types and paths from `$` ("Expected `str`, got `int` - at `$.spec`").
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, Final, NamedTuple

import msgspec

from webhook.syntax.values import (
    ANY,
    FileValue,
    Step,
    expected_boolean,
    expected_list,
    expected_mapping,
    expected_number,
    expected_text,
    field_path,
)

AT: Final = " - at `"
EXPECTED: Final = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?$")
MISSING: Final = re.compile(r"Object missing required field `([^`]+)`")
FORBIDDEN: Final = re.compile(r"Invalid (?:enum )?value '?(.*?)'?$", re.DOTALL)
STEPS: Final = re.compile(r"\[(\d+)\]|(\[\.\.\.\])|([^.\[\]]+)")
NOT_READ: Final = re.compile(r"\(byte (\d+)\)")
NULL: Final = "null"
UNKNOWN: Final = object()
# msgspec's words for the types of JSON.
TYPES: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
}
FOUND: Final = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
    "object": "a mapping",
    "array": "a list",
    NULL: "null",
}
# A valid value for each type.
EMPTY: Final[Mapping[str, Any]] = {"object": {}, "array": [], "str": "", "int": 0, "float": 0, "bool": False}
MOST_MISMATCHES: Final = 10
OF_ONE: Final[Mapping[str, Callable[[FileValue], str]]] = {
    "str": expected_text,
    "int": expected_number,
    "bool": expected_boolean,
    "array": expected_list,
    "object": expected_mapping,
}


class TypeMismatch(NamedTuple):
    """A value that does not fit at a path; `problem` is the decoder's own sentence, which users never see."""

    path: tuple[Step, ...]
    problem: str
    value: Any = UNKNOWN

    @property
    def place(self) -> str:
        """Return the path of the field as kubectl prints it."""
        return field_path(self.path)

    def words(self, written: str | None = None) -> str:
        """Return the fault in words; `written` is the value in the file if it has no quotes there."""
        if MISSING.match(self.problem):
            return "this key is missing"
        if found := FORBIDDEN.match(self.problem):
            return f"{FileValue(found[1]).quoted} is unknown"
        if not (found := EXPECTED.match(self.problem)):
            return "this value cannot be read"
        names = [name for name in found[1].split(" | ") if name != NULL]
        if self.value is UNKNOWN:
            got = f", got {FOUND.get(found[2] or '', 'another value')}"
            return f"expected {' or '.join(TYPES.get(name, 'another value') for name in names)}{got}"
        value = FileValue(self.value, written)
        if len(names) == 1 and names[0] in OF_ONE:
            return OF_ONE[names[0]](value)
        advice = f": {value.in_quotes}" if "str" in names and isinstance(self.value, bool) else ""
        return f"{value.described}; expected {' or '.join(TYPES.get(name, 'another value') for name in names)}{advice}"

    def __str__(self) -> str:
        return f"{self.place or 'object'}: {self.words()}"


def type_mismatch(bad: msgspec.ValidationError, source: Any = UNKNOWN) -> TypeMismatch:
    """Return the value that a decoder refuses; `source` is the object as plain values with its keys."""
    problem, _, decoder_path = str(bad).partition(AT)
    steps = tuple(path_steps(decoder_path.rstrip("`").replace("key` in `", "").removeprefix("$")))
    found = EXPECTED.match(problem)
    expected = found[2] if found else None
    path = steps if source is UNKNOWN else next(matching_paths(source, steps, expected), steps)
    if missing := MISSING.match(problem):
        return TypeMismatch((*path, missing[1]), problem)
    return TypeMismatch(path, problem, UNKNOWN if source is UNKNOWN or ANY in path else value_at(source, path))


def all_mismatches(document: Mapping[str, Any], reads: Callable[[Any], Any]) -> list[TypeMismatch]:
    """Return each value of a document that a decoder refuses, up to MOST_MISMATCHES; `reads` decodes the document.

    A decoder stops at the first fault. The function corrects each one in a copy before it searches for the next. It
    always returns the first one.
    """
    left, found = deepcopy(document), list[TypeMismatch]()
    while len(found) < MOST_MISMATCHES:
        try:
            reads(left)
            break
        except msgspec.ValidationError as bad:
            one = type_mismatch(bad, left)
        if any(one.path == earlier.path for earlier in found):
            break
        found.append(one)
        if not replace_value(left, one):
            break
    return found


def replace_value(document: Any, found: TypeMismatch) -> bool:
    """Replace a value by an empty one of the expected type; return whether that type is known."""
    expected = EXPECTED.match(found.problem)
    names = expected[1].split(" | ") if expected else []
    inside = value_at(document, found.path[:-1]) if found.path and ANY not in found.path else UNKNOWN
    name = next((name for name in names if name in EMPTY), None)
    match inside, found.path[-1:]:
        case dict(), (step,) if name is not None:
            inside[step] = deepcopy(EMPTY[name])
        case list(), (int(step),) if name is not None:
            inside[step] = deepcopy(EMPTY[name])
        case _:
            return False
    return True


def path_steps(decoder_path: str) -> Iterator[Step]:
    """Yield each step of a decoder's path."""
    for number_, any_, name in STEPS.findall(decoder_path):
        yield int(number_) if number_ else ANY if any_ else name


def matching_paths(
    value: Any, steps: tuple[Step, ...], expected: str | None, before: tuple[Step, ...] = ()
) -> Iterator[tuple[Step, ...]]:
    """Yield each path of a value that a decoder's path may mean: its end has the type that the decoder found."""
    if not steps:
        if expected is None or decoder_type(value) == expected:
            yield before
        return
    step, *rest = steps
    inside = members(value)
    for key in inside if step == ANY else [step] if step in inside else []:
        yield from matching_paths(inside[key], tuple(rest), expected, (*before, key))


def value_at(value: Any, path: tuple[Step, ...]) -> Any:
    """Return the value at a path; UNKNOWN if there is none."""
    for step in path:
        value = members(value).get(step, UNKNOWN)
    return value


def members(value: Any) -> dict[Step, Any]:
    """Return the direct members of a value, by key or by index."""
    if isinstance(value, list):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else {}


def decoder_type(value: Any) -> str:
    """Return the decoder's word for the type of a plain value."""
    names = {type(None): NULL, bool: "bool", int: "int", float: "float", str: "str", list: "array"}
    return names.get(type(value), "object")


def decode_error_message(bad: Exception, source: Any = UNKNOWN) -> str:
    """Return why bytes or an object cannot be decoded, with the faulty field if there is one."""
    return str(type_mismatch(bad, source)) if isinstance(bad, msgspec.ValidationError) else invalid_json_message(bad)


def invalid_json_message(bad: Exception) -> str:
    """Return why bytes are not JSON that can be decoded."""
    if isinstance(bad, RecursionError):
        return "nested too deeply"
    if isinstance(bad, UnicodeEncodeError):
        return "it contains half of a surrogate pair (\\ud800 to \\udfff), which is not text"
    if isinstance(bad, UnicodeError):
        return "not UTF-8"
    found = NOT_READ.search(str(bad))
    return (
        f"not JSON: it is invalid from byte {found[1]} on"
        if found
        else "not JSON: it ends before its last value is complete"
    )
