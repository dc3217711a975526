"""What the policy's model refuses, in the words of the file: the value as it is written, what is expected, how to correct it.

pydantic speaks of its own types ("Input should be a valid string"). Each of its error types that the model can raise has a sentence here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from webhook.config.faults import suggestion
from webhook.config.places import Step
from webhook.config.shape import description_at, homes, keys_at
from webhook.model.abbreviation import listed, shortened
from webhook.model.nearness import nearest
from webhook.rules import RULES

QUOTED: Final = re.compile(r"'([^']*)'")
LONGEST_VALUE: Final = 60  # characters of a value in a message
PORTS: Final = "ports"
# Words that other programs read as booleans (YAML 1.1); in the policy file they are text.
ON_WORDS: Final = frozenset({"true", "yes", "y", "on", "enabled"})
OFF_WORDS: Final = frozenset({"false", "no", "n", "off", "none", "disabled"})
OFF: Final = "off"
OR_LIST: Final = "or_list"  # among the facts of a value that may be a list instead of a word


class Refused(NamedTuple):
    """A value that the model refuses.

    `written` is the text of a value without quotes that is no text, such as 8080 or false; None for all others. `facts` are what pydantic
    adds to its error type, and `says` its own sentence.
    """

    path: tuple[Step, ...]
    value: Any
    written: str | None
    facts: Mapping[str, Any]
    says: str

    @property
    def described(self) -> str:
        """The value and its type, as the beginning of a sentence."""
        written = shortened(self.written or "", LONGEST_VALUE)
        match self.value:
            case None:
                return f"{written} is no value" if written else "there is no value"
            case bool():
                return f"{written or str(self.value).lower()} is a boolean"
            case int() | float():
                return f"{written or self.value} is a number"
            case str():
                return f"{self.quoted} is text"
            case list():
                return "this is a list"
            case _:
                return "this is a mapping"

    @property
    def quoted(self) -> str:
        """A text in quotes, any other value as `described`."""
        return repr(shortened(self.value, LONGEST_VALUE)) if isinstance(self.value, str) else self.described

    @property
    def word(self) -> str:
        """The value as one word in small letters; empty for a list, a mapping or no value."""
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return self.value.lower() if isinstance(self.value, str) else ""

    @property
    def is_port(self) -> bool:
        """Whether the value is where ports are listed, or one of them."""
        return PORTS in self.path[-2:]

    @property
    def empty_key(self) -> str:
        """How to correct a key with nothing behind it."""
        what = "the empty item" if self.path and isinstance(self.path[-1], int) else "the key, to have its default"
        return f"write one, or remove {what}"


def worded(kind: str, refused: Refused) -> str:
    """Return the sentence for an error of pydantic's type `kind`."""
    return WORDS.get(kind, own)(refused)


def own(refused: Refused) -> str:
    """Return the sentence of a check of our own, which pydantic passes on."""
    return refused.says.removeprefix("Value error, ")


def one_of(refused: Refused) -> str:
    """Return the sentence for a value that is none of a closed list of words."""
    words = QUOTED.findall(str(refused.facts.get("expected", "")))
    if len(words) == 1:
        return f"{clause(refused)}; the only value is {words[0]}"
    others = ", or a list" if refused.facts.get(OR_LIST) else ""
    return f"{clause(refused)}; expected one of {', '.join(words)}{others}{meant(refused, words)}"


def clause(refused: Refused) -> str:
    """Return what is wrong with a value that is none of the expected ones."""
    return f"{refused.quoted} is unknown" if isinstance(refused.value, str) else refused.described


def meant(refused: Refused, words: list[str]) -> str:
    """Return which of several words to write, if that can be told."""
    if refused.value is None:
        return f"; {refused.empty_key}"
    if found := nearest(refused.word, words):
        return f"; did you mean {found!r}?"
    if OFF in words and refused.word in OFF_WORDS:
        return f"; write {OFF} to turn it off"
    if "enforce" in words and refused.word in ON_WORDS:
        return "; write enforce to turn it on"
    return ""


def text(refused: Refused) -> str:
    """Return the sentence for a value where text is expected."""
    expected = f"{refused.described}; expected text"
    match refused.value:
        case None:
            return f"{refused.described}; {refused.empty_key}"
        case bool() | int() | float() if refused.is_port:
            return f"{refused.described}; a port has its protocol: write {refused.written or refused.value}/TCP"
        case bool() | int() | float():
            return f'{expected}: write it in quotes, "{refused.written or refused.word or refused.value}"'
        case list():
            return f"{expected}, one value without brackets and without '- '"
        case _:
            return f"{expected}, one value without keys"


def boolean(refused: Refused) -> str:
    """Return the sentence for a value where true or false is expected."""
    if refused.value is None:
        return f"{refused.described}; expected true or false; {refused.empty_key}"
    expected = f"{refused.described}; expected true or false"
    if refused.word in {"true", "false"}:
        return f"{expected}: write {refused.word} without quotes"
    if refused.word in ON_WORDS | OFF_WORDS:
        right = "true" if refused.word in ON_WORDS else "false"
        return f"{expected}: write {right}; in this file yes, no, on and off are text"
    return expected


def number(refused: Refused) -> str:
    """Return the sentence for a value where a whole number is expected."""
    advice = ""
    if isinstance(refused.value, str) and refused.value.isdecimal():
        advice = f": write {refused.value} without quotes"
    return f"{refused.described}; expected a whole number{advice}"


def list_(refused: Refused) -> str:
    """Return the sentence for a value where a list is expected."""
    key = next((step for step in reversed(refused.path) if isinstance(step, str)), "")
    match refused.value:
        case None:
            return f"{refused.described}; expected a list; {refused.empty_key}"
        case dict():
            return f"{refused.described}; expected a list, each item on a line that begins with '- '"
        case value:
            item = f"{refused.written or value}"
            if refused.is_port and item.isdecimal():
                item += "/TCP"
            return f"{refused.described}; expected a list: write {key}: [{shortened(item, LONGEST_VALUE)}]"


def mapping(refused: Refused) -> str:
    """Return the sentence for a value where a mapping is expected."""
    keys = keys_at(refused.path)
    such = f" with keys such as {listed(keys, 3)}" if keys else " of keys and values (key: value)"
    advice = f"; {refused.empty_key}" if refused.value is None else ""
    return f"{refused.described}; expected a mapping{such}{advice}"


def missing(refused: Refused) -> str:
    """Return the sentence for a key that is not there."""
    description = description_at(refused.path)
    return f"this key is missing{f': {description}' if description else ''}"


def unknown_key(refused: Refused) -> str:
    """Return the sentence for a key that the model does not have: the nearest one, or where this one would be right."""
    keys = keys_at(refused.path[:-1])
    key = str(refused.path[-1])
    if near := suggestion(key, keys) or suggestion(key.lower(), keys):
        return f"unknown key{near}"
    if key in RULES:
        return f"unknown key; a rule has its mode under rules: write rules: {{{key}: MODE}}"
    if elsewhere := homes().get(key):
        return f"unknown key here; the file has {listed(elsewhere, 3, joint=' and ')}"
    return f"unknown key{f'; the keys here are {listed(keys, 20)}' if keys else ''}"


def too_few(refused: Refused) -> str:
    """Return the sentence for a list with nothing in it."""
    return "the list is empty; expected at least 1 item" if not refused.value else own(refused)


def too_many(refused: Refused) -> str:
    """Return the sentence for a list with too many items."""
    most = refused.facts.get("max_length")
    return f"{len(refused.value)} items; {most} are the most" if isinstance(refused.value, list) else own(refused)


def too_short(refused: Refused) -> str:
    """Return the sentence for a text without characters."""
    return "the text is empty; expected at least 1 character" if not refused.value else own(refused)


def too_long(refused: Refused) -> str:
    """Return the sentence for a text with too many characters."""
    return f"the text has {len(refused.value)} characters; {refused.facts.get('max_length')} are the most"


def too_small(refused: Refused) -> str:
    """Return the sentence for a number below the least one."""
    return f"{refused.written or refused.value} is too small; {refused.facts.get('ge')} is the least"


def too_large(refused: Refused) -> str:
    """Return the sentence for a number above the greatest one."""
    return f"{refused.written or refused.value} is too large; {refused.facts.get('le')} is the most"


WORDS: Final[Mapping[str, Callable[[Refused], str]]] = {
    "bool_type": boolean,
    "dict_type": mapping,
    "enum": one_of,
    "extra_forbidden": unknown_key,
    "greater_than_equal": too_small,
    "int_from_float": number,
    "int_parsing_size": number,
    "int_type": number,
    "less_than_equal": too_large,
    "literal_error": one_of,
    "missing": missing,
    "model_type": mapping,
    "string_too_long": too_long,
    "string_too_short": too_short,
    "string_type": text,
    "too_long": too_many,
    "too_short": too_few,
    "tuple_type": list_,
}
