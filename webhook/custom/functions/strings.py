"""Strings (cel-go, ext/strings.go, version 2), by code points; what could grow without end has an end.

In Python, for the library's own would build a text of gigabytes where a user's text is put into another.
"""

from collections.abc import Callable
from typing import Final

from webhook.custom.functions.function import Function, Kind

LONGEST_TEXT: Final = 1 << 20
MOST_PARTS: Final = 100
ASCII_UPPER: Final = {code: code - 32 for code in range(ord("a"), ord("z") + 1)}
ASCII_LOWER: Final = {upper: lower for lower, upper in ASCII_UPPER.items()}


def char_at(text: str, index: int) -> str:
    """One character; the empty string at the very end."""
    if not 0 <= index <= len(text):
        raise ValueError(f"index out of range: {index}")
    return text[index : index + 1]


def index_of(text: str, part: str, start: int = 0) -> int:
    """Where a part first stands at or after `start`, -1 where it does not."""
    if not 0 <= start <= len(text):
        raise ValueError(f"index out of range: {start}")
    return text.find(part, start)


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    """Where a part last stands at or before `start`, -1 where it does not."""
    if start is None:
        return text.rfind(part)
    if not 0 <= start <= len(text):
        raise ValueError(f"index out of range: {start}")
    return text.rfind(part, 0, start + len(part))


def replace(text: str, old: str, new: str, most: int = -1) -> str:
    """The text with a part replaced, at most so many times; raises ValueError where it grows too long."""
    count = text.count(old) if most < 0 else min(text.count(old), most)
    bounded(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new, most)


def split(text: str, separator: str, most: int = -1) -> list[str]:
    """The parts of a text; raises ValueError for too many."""
    if most == 0:
        return []
    count = (len(text) if not separator else text.count(separator) + 1) if most < 0 else most
    if count > MOST_PARTS and (most < 0 or text.count(separator) >= MOST_PARTS):
        raise ValueError(f"split: more than {MOST_PARTS} parts")
    if not separator:
        return list(text) if most < 0 or most >= len(text) else [*text[: most - 1], text[most - 1 :]]
    return text.split(separator, most - 1 if most > 0 else -1)


def join(parts: list[str], separator: str = "") -> str:
    """The parts as one text; raises ValueError where one is no string, or the text grows too long."""
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("join: an item is no string")
    bounded(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def substring(text: str, start: int, end: int | None = None) -> str:
    """A part of a text by its ends, the second not among it."""
    end = len(text) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise ValueError(f"substring: {start} to {end} of {len(text)} characters")
    return text[start:end]


def trim(text: str) -> str:
    """The text without white space around it."""
    return text.strip()


def lower_ascii(text: str) -> str:
    """The text with the letters A to Z small."""
    return text.translate(ASCII_LOWER)


def upper_ascii(text: str) -> str:
    """The text with the letters a to z capital."""
    return text.translate(ASCII_UPPER)


def bounded(length: int) -> None:
    """Raises ValueError for a text that would grow too long."""
    if length > LONGEST_TEXT:
        raise ValueError(f"a text of more than {LONGEST_TEXT} characters")


def on_text(name: str, call: Callable[..., object], *others: Kind, result: Kind = Kind.STRING) -> Function:
    """A member of strings."""
    return Function(name, (Kind.STRING, *others), result, call)


FUNCTIONS = (
    on_text("charAt", char_at, Kind.INT),
    on_text("indexOf", index_of, Kind.STRING, result=Kind.INT),
    on_text("indexOf", index_of, Kind.STRING, Kind.INT, result=Kind.INT),
    on_text("lastIndexOf", last_index_of, Kind.STRING, result=Kind.INT),
    on_text("lastIndexOf", last_index_of, Kind.STRING, Kind.INT, result=Kind.INT),
    on_text("lowerAscii", lower_ascii),
    on_text("upperAscii", upper_ascii),
    on_text("replace", replace, Kind.STRING, Kind.STRING),
    on_text("replace", replace, Kind.STRING, Kind.STRING, Kind.INT),
    on_text("split", split, Kind.STRING, result=Kind.STRINGS),
    on_text("split", split, Kind.STRING, Kind.INT, result=Kind.STRINGS),
    on_text("substring", substring, Kind.INT),
    on_text("substring", substring, Kind.INT, Kind.INT),
    on_text("trim", trim),
    Function("join", (Kind.LIST,), Kind.STRING, join),
    Function("join", (Kind.LIST, Kind.STRING), Kind.STRING, join),
)
