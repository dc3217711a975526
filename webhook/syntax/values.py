"""Describe a value of the wrong type in a file: its text, its type, the expected type and the remedy."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from webhook.model.abbreviation import shortened
from webhook.model.workload import label_field

Step = str | int
ANY: Final = "*"  # a key that is not known
LONGEST_VALUE: Final = 60  # characters of a value in a message
# Words that YAML 1.1 reads as booleans and that people mean as text.
MISREAD_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off"})
# Words that people write for a boolean.
ON_WORDS: Final = frozenset({"true", "yes", "y", "on", "enabled"})
OFF_WORDS: Final = frozenset({"false", "no", "n", "off", "none", "disabled"})


def field_path(steps: Iterable[Step]) -> str:
    """Return the path of a field as kubectl prints it: `spec.ports[0].name`, `metadata.labels['a.example/b']`."""
    written = (f"[{step}]" if isinstance(step, int) or step == ANY else label_field(step) for step in steps)
    return "".join(written).removeprefix(".")


def to_json(value: bool | int | float) -> str:  # noqa: PYI041 (mypy needs the int)
    """Return a value as JSON writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def describe_type(value: Any) -> str:
    """Return the type of a value in words, with its article."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a mapping"


class FileValue(NamedTuple):
    """A value of a file.

    `written` is the text of a value that has no quotes and is not text, such as 8080, 1.10 or no; None if it is not
    known.
    """

    value: Any
    written: str | None = None

    @property
    def described(self) -> str:
        """Return the value and its type, as the beginning of a sentence."""
        written = shortened(self.written or "", LONGEST_VALUE)
        match self.value:
            case None:
                return f"{written} is not a value" if written else "the value is missing"
            case bool() | int() | float():
                return self._read(written)
            case str():
                return f"{self.quoted} is text"
        return f"this is {describe_type(self.value)}"

    def _read(self, written: str) -> str:
        read = shortened(to_json(self.value), LONGEST_VALUE)
        kind = "boolean" if isinstance(self.value, bool) else "number"
        if written in {"", read}:
            return f"{read} is a {kind}"
        trap = ", because kubectl uses YAML 1.1" if written.lower() in MISREAD_WORDS else ""
        return f"{written} is read as the {kind} {read}{trap}"

    @property
    def quoted(self) -> str:
        """Return a text in quotes, and any other value as `described`."""
        return repr(shortened(self.value, LONGEST_VALUE)) if isinstance(self.value, str) else self.described

    @property
    def word(self) -> str:
        """Return the value as one word in lower case; empty for a list, a mapping or no value."""
        if isinstance(self.value, bool):
            return to_json(self.value)
        return self.value.lower() if isinstance(self.value, str) else ""

    @property
    def in_quotes(self) -> str:
        """Return how to write the value as text; if its text in the file is not known, list the words of booleans."""
        trap = " (unquoted y, yes and on are true, n, no and off false)"
        unknown = trap if isinstance(self.value, bool) and self.written is None else ""
        return f'write it in quotes: "{self.written or to_json(self.value)}"{unknown}'


def expected_text(found: FileValue) -> str:
    """Return the sentence for a value where text is expected."""
    expected = f"{found.described}; expected text"
    match found.value:
        case None:
            return expected
        case bool() | int() | float():
            return f"{expected}: {found.in_quotes}"
        case list():
            return f"{expected}; give one value without brackets and without '- '"
    return f"{expected}; give one value without keys"


def expected_boolean(found: FileValue) -> str:
    """Return the sentence for a value where true or false is expected."""
    expected = f"{found.described}; expected true or false"
    if not isinstance(found.value, str):
        return expected
    if found.word in {"true", "false"}:
        return f"{expected}: write {found.word} without quotes"
    suggestion = {**dict.fromkeys(ON_WORDS, "true"), **dict.fromkeys(OFF_WORDS, "false")}.get(found.word)
    return f"{expected}: write {suggestion}" if suggestion else expected


def expected_number(found: FileValue) -> str:
    """Return the sentence for a value where a whole number is expected."""
    written = found.value if isinstance(found.value, str) else ""
    advice = f": write {written} without quotes" if written.isascii() and written.isdecimal() else ""
    return f"{found.described}; expected a whole number{advice}"


def expected_list(found: FileValue, item: str = "") -> str:
    """Return the sentence for a value where a list is expected; `item` is the value as a list of one."""
    if isinstance(found.value, dict):
        return f"{found.described}; expected a list: start each item on its own line with '- '"
    return f"{found.described}; expected a list{f': write {item}' if item else ''}"


def expected_mapping(found: FileValue, key_description: str = "of keys and values (key: value)") -> str:
    """Return the sentence for a value where a mapping is expected; `key_description` describes its keys."""
    return f"{found.described}; expected a mapping {key_description}"
