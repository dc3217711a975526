"""Translate the errors of expressions that run, with a remedy for each cause.

The words of the CEL library (cel-cpp: runtime/, runtime/standard/ and eval/) are for its programmers. A user who applies an object reads the translation;
an unknown message stays unchanged.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from webhook.cel.error_messages import callable_name, no_overload

ABSENT: Final = "use has() or .? and orValue() for fields that can be absent"
NULL: Final = "test the value first, such as x != null"
TYPES: Final = "test the type first, such as type(x) == string"
DIVISOR: Final = "test first that the divisor is not 0"
LENGTH: Final = "test size() first"
PATTERN: Final = "test the text first with matches()"


class RunError(NamedTuple):
    """What went wrong, and what the author of the rule can do; the remedy is empty where the cause is not known."""

    message: str
    remedy: str = ""


def translate_run_error(text: str) -> RunError:
    """Return the translation of the library's message, without its status codes."""
    for pattern, words in WORDS:
        if found := pattern.fullmatch(text):
            return words(*found.groups())
    return RunError(text)


def no_operator(function: str, types: str | None) -> RunError:
    """Return the error of an operator or a function that does not accept values of these types."""
    if function == "<jump_condition>":
        return RunError("a condition of a loop or of ?: is neither true nor false", TYPES)
    if types is None:
        return RunError(f"{callable_name(function)} does not take a value of this type", TYPES)
    return RunError(no_overload(function, types.replace("int64", "int")), TYPES)


def conversion(kind: str, target: str) -> RunError:
    """Return the error of a text that is no number, duration or time."""
    return RunError(f"a {kind.lower()} is not a valid {target.lower()}", PATTERN)


WORDS: Final[tuple[tuple[re.Pattern[str], Callable[..., RunError]], ...]] = (
    (re.compile(r"Key not found in map : (.*)"), lambda key: RunError(f"the field {key} is absent", ABSENT)),
    (
        re.compile(r"Applying SELECT to non-message type"),
        lambda: RunError("it reads a field of null, or of a value that has no fields", NULL),
    ),
    (re.compile(r"(?:divide|modulus) by zero"), lambda: RunError("it divides by zero", DIVISOR)),
    (
        re.compile(r"Index error: index=(-?\d+) size=(\d+)"),
        lambda index, size: RunError(f"it takes item {index} of a list that has {size} (the first is item 0)", LENGTH),
    ),
    (
        re.compile(r"Index error: expected integer type, got (\w+)"),
        lambda kind: RunError(f"it takes an item of a list by a {kind}, and not by a number", TYPES),
    ),
    (
        re.compile(r"Invalid container type: '(\w+)'"),
        lambda kind: RunError(f"it takes an item of a {kind}, which has no items", TYPES),
    ),
    (
        re.compile(r"No matching overloads found : (?:\((\w+)\)\.)?(\w+)\((.*)\)"),
        lambda own, function, types: no_operator(function, f"{own}, {types}" if own else types),
    ),
    (re.compile(r"No matching overloads found : (\S+?)(?:\((.*)\))?"), no_operator),
    (re.compile(r"cannot convert (\w+) to (\w+)"), conversion),
    (re.compile(r"(String) to (\w+) conversion failed"), conversion),
    (
        re.compile(r"<string>\.(\w+)\(.*\): .*(?:greater than|out of range|negative).*"),
        lambda function: RunError(f"{function}() reads beyond the end of a string", LENGTH),
    ),
    (
        re.compile(r"(?:integer|unsigned integer|int64|uint64) (?:overflow|underflow)"),
        lambda: RunError("a number has more than 64 bits"),
    ),
)
