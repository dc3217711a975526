"""Describe the faults of a policy file in words."""

from collections.abc import Iterable
from itertools import islice

from msgspec import Struct

from webhook.config.places import Place
from webhook.model.abbreviation import listed, printable
from webhook.model.spelling import closest_word

LONGEST = 500  # characters of a path or a message; a value of the file may be as long as the file
END = 150  # of them from the end, where the remedy is
# words; each built-in rule fits, because a list that is cut off would propose only half of the rules
MOST_LISTED = 12
MOST_COMPARED = 100  # words, for a suggestion


class PolicyFault(Struct, frozen=True):
    """One fault of a policy file: where, as a path of keys, and what would be right.

    `place` is where that path, or the innermost part of it that is there, stands in the text.
    """

    path: str
    message: str
    place: Place | None = None

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class BadPolicy(Exception):  # noqa: N818 (the policy is bad, not the program)
    """A policy file has faults and does not apply; `faults` has every fault."""

    def __init__(self, faults: Iterable[PolicyFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(map(str, self.faults)))


class NoPolicy(BadPolicy):
    """A text has no content, such as an empty file, and so has no place for a fault."""


def readable(text: str) -> str:
    """Return a text on one line of moderate length, with visible characters only."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - END]} … {text[-END:]}"
    return printable(text)


def suggestion(word: str, words: Iterable[str]) -> str:
    """Return the nearest of `words` as a question; empty if none is near."""
    meant = closest_word(word, islice(words, MOST_COMPARED))
    return f"; did you mean {meant!r}?" if meant else ""


def choices(word: str, words: Iterable[str], what: str) -> str:
    """Return the nearest of `words` as a question, or the first of them as the end of a sentence.

    `what` names the words in that sentence.
    """
    known = list(words)
    return suggestion(word, known) or f"; {what} are {listed(known, MOST_LISTED)}"


def unknown_rule(path: str, id_: str, known: Iterable[str]) -> PolicyFault:
    """Return the fault of an id that no rule has."""
    return PolicyFault(path, f"unknown rule {id_!r}{choices(id_, known, 'the rules')}")
