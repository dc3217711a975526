"""Describe what the policy's model refuses, in the words of the file: the value, the expected value and the remedy.

pydantic names its own types ("Input should be a valid string"). This module has a sentence for each of its error types
that the model can raise.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from webhook.config import unknown_keys
from webhook.config.places import Step
from webhook.config.plain_scalars import plain
from webhook.config.shape import description_at, is_required, keys_at, only_value, takes
from webhook.model.abbreviation import listed
from webhook.model.fields import DAY_FORM, NO_DAY, PORT_FORMS, is_port
from webhook.model.network import OUTSIDE
from webhook.model.spelling import closest_word
from webhook.syntax import values
from webhook.syntax.values import MISREAD_WORDS, OFF_WORDS, ON_WORDS, FileValue, to_json

QUOTED: Final = re.compile(r"'([^']*)'")
PORTS: Final = "ports"
PROPOSES: Final = ": write "  # this precedes a proposal in a sentence
# Items that need no quotes in brackets: each is text, and YAML reads none otherwise.
PLAIN_ITEMS: Final = re.compile(r"[\w:][\w./:*-]*(?:, *[\w:][\w./:*-]*)*")
OFF: Final = "off"
EMPTY: Final = "the text is empty"
OR_LIST: Final = "or_list"  # a fact of a value that may be a list instead of a word


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
    def found(self) -> FileValue:
        """Return the value as all messages describe it."""
        return FileValue(self.value, self.written)

    @property
    def is_port(self) -> bool:
        """Return whether the value is a list of ports, or an item of one."""
        return PORTS in self.path[-2:]

    @property
    def empty_key(self) -> str:
        """Return how to correct a key without a value."""
        if self.path and isinstance(self.path[-1], int):
            return "add a value, or remove the empty item"
        return (
            "add a value: this key has no default"
            if is_required(self.path)
            else "add a value, or remove the key to use its default"
        )


def worded(kind: str, refused: Refused) -> str:
    """Return the sentence for an error of pydantic's type `kind`."""
    return WORDS.get(kind, own)(refused)


def own(refused: Refused) -> str:
    """Return the sentence of one of catflap's own checks, which pydantic passes through."""
    return refused.says.removeprefix("Value error, ")


def one_of(refused: Refused) -> str:
    """Return the sentence for a value that is not in a closed list of words."""
    words = QUOTED.findall(str(refused.facts.get("expected", "")))
    if len(words) == 1:
        return f"{clause(refused)}; the only valid value is {words[0]}"
    others = ", or a list" if refused.facts.get(OR_LIST) else ""
    return f"{clause(refused)}; expected one of {', '.join(words)}{others}{meant(refused, words)}"


def clause(refused: Refused) -> str:
    """Return the fault of a value that is none of the expected ones, as a clause."""
    if refused.value == "":
        return EMPTY
    return f"{refused.found.quoted} is unknown" if isinstance(refused.value, str) else refused.found.described


def meant(refused: Refused, words: list[str]) -> str:
    """Return advice on the word that the value probably means; empty if no word is likely."""
    if refused.value is None:
        return f"; {refused.empty_key}"
    if found := closest_word(refused.found.word, words):
        return f"; did you mean {found!r}?"
    if isinstance(refused.value, dict):
        inner = [one for one in refused.value.values() if one in words]
        return f"; write {inner[0]} without a key before it" if len(inner) == 1 else ""
    off, on = (
        next((one for one in several if one in words), "") for several in ((OFF, "none"), ("enforce", "auto", "all"))
    )
    if off and refused.found.word in OFF_WORDS:
        quoted = f'"{off}" in quotes' if refused.value is False and off in MISREAD_WORDS else off
        return f"; write {quoted} to turn it off{trap(refused)}"
    if on and refused.found.word in ON_WORDS:
        return f"; write {on} to turn it on{trap(refused)}"
    return ""


def trap(refused: Refused) -> str:
    """Return how programs read on, yes, no and off without quotes.

    They are text in this file, and booleans if another program reads it first.
    """
    word = refused.found.word
    if isinstance(refused.value, bool):
        return f" (Helm and YAML 1.1 read {'on and yes' if refused.value else 'off and no'} without quotes as {word})"
    as_boolean = to_json(word in ON_WORDS)
    return (
        f" ({word} is text in this file, and {as_boolean} where Helm or YAML 1.1 read it)"
        if word in MISREAD_WORDS
        else ""
    )


def text(refused: Refused) -> str:
    """Return the sentence for a value where text is expected."""
    match refused.value:
        case None:
            return f"{refused.found.described}; {refused.empty_key}"
        case bool() | int() | float() if refused.is_port:
            return f"{refused.found.described}; {as_port(refused.value)}"
        case dict() as ports if refused.is_port:
            return f"{refused.found.described}; {as_port(ports.get('port'), ports.get('protocol', 'TCP'))}"
        case dict() as keys if keys and all(one is None for one in keys.values()):
            return f"{values.expected_text(refused.found)}; braces without quotes start a mapping: write the whole value in quotes"
    return confirmed(
        values.expected_text(refused.found), refused, str(refused.found.written or refused.found.word or refused.value)
    )


def confirmed(told: str, refused: Refused, proposed: Any) -> str:
    """Return a sentence without its proposal if the model would refuse the proposed value too."""
    return told if takes(refused.path, proposed) else told.partition(PROPOSES)[0]


def as_port(value: Any, protocol: Any = "TCP") -> str:
    """Return how to write a port that has no protocol, or has it in a separate key."""
    written = f"{value}/{protocol}"
    return f"a port needs a protocol: write {written}" if is_port(written) else PORT_FORMS


def boolean(refused: Refused) -> str:
    """Return the sentence for a value where true or false is expected."""
    told = values.expected_boolean(refused.found)
    if refused.value is None:
        return f"{told}; {refused.empty_key}"
    is_other_word = refused.found.word in ON_WORDS | OFF_WORDS and refused.found.word not in {"true", "false"}
    return f"{told}; the words yes, no, on and off are text in this file" if is_other_word else told


def list_(refused: Refused) -> str:
    """Return the sentence for a value where a list is expected."""
    told = values.expected_list(refused.found, item := as_list(refused))
    if refused.value is None:
        return f"{told}; {refused.empty_key}"
    return f"{told}: {PORT_FORMS}" if refused.is_port and not item and not isinstance(refused.value, dict) else told


def as_list(refused: Refused) -> str:
    """Return how to write a value as a list, with its key; empty if the result is no valid list."""
    key = next((step for step in reversed(refused.path) if isinstance(step, str)), "")
    if isinstance(refused.value, dict | None) or not key:
        return ""
    item = refused.written or str(refused.value)
    if refused.is_port:
        ports = [f"{one}/TCP" if one.isdecimal() else one.upper() for one in map(str.strip, item.split(","))]
        return f"{key}: [{', '.join(ports)}]" if all(map(is_port, ports)) else ""
    items = [plain(one.strip()) for one in item.split(",")]
    return f"{key}: [{item}]" if PLAIN_ITEMS.fullmatch(item) and takes(refused.path, items) else ""


def mapping(refused: Refused) -> str:
    """Return the sentence for a value where a mapping is expected."""
    keys = keys_at(refused.path)
    description = "" if keys else description_at(refused.path)
    such = (
        f"with keys such as {listed(keys, 3)}"
        if keys
        else f"of keys and values (key: value){f': {description}' if description else ''}"
    )
    told = values.expected_mapping(refused.found, such)
    if refused.path[-1:] in {("from",), ("to",)}:
        told = f"{refused.found.described}; expected one role, {OUTSIDE}, or a mapping {such}"
    return f"{told}; {refused.empty_key}" if refused.value is None else told


def day(refused: Refused) -> str:
    """Return the sentence for a value where a day is expected."""
    if refused.value is None:
        return f"{refused.found.described}; {refused.empty_key}"
    return f"{refused.found.described}; expected a date: {DAY_FORM}"


def missing(refused: Refused) -> str:
    """Return the sentence for a key that is not there."""
    if word := only_value(refused.path):
        return f"this key is missing; write {refused.path[-1]}: {word}"
    description = description_at(refused.path)
    return f"this key is missing{f': {description}' if description else ''}"


def unknown_key(refused: Refused) -> str:
    """Return the sentence for a key that the model does not have."""
    return unknown_keys.sentence(refused.path, refused.value)


def too_few(refused: Refused) -> str:
    """Return the sentence for a list with nothing in it."""
    return "the list is empty; expected at least 1 item" if not refused.value else own(refused)


def too_many(refused: Refused) -> str:
    """Return the sentence for a list with too many items."""
    most = refused.facts.get("max_length")
    return (
        f"{len(refused.value)} items; at most {most} are allowed" if isinstance(refused.value, list) else own(refused)
    )


def too_short(refused: Refused) -> str:
    """Return the sentence for a text without characters."""
    description = description_at(refused.path)
    return f"{EMPTY}; expected text{f' ({description})' if description else ''}" if not refused.value else own(refused)


def too_long(refused: Refused) -> str:
    """Return the sentence for a text with too many characters."""
    return f"the text has {len(refused.value)} characters; at most {refused.facts.get('max_length')} are allowed"


WORDS: Final[Mapping[str, Callable[[Refused], str]]] = {
    "bool_type": boolean,
    "dict_type": mapping,
    "enum": one_of,
    "extra_forbidden": unknown_key,
    "literal_error": one_of,
    "missing": missing,
    "model_type": mapping,
    NO_DAY: day,
    "string_too_long": too_long,
    "string_too_short": too_short,
    "string_type": text,
    "too_long": too_many,
    "too_short": too_few,
    "tuple_type": list_,
}
