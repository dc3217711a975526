"""Values that a command line chooses among known ones; one that is none of them is answered with the nearest."""

import re
from collections.abc import Iterable
from datetime import datetime
from math import inf, nan
from typing import Any, Final

import click

from webhook.audit.record import stamp
from webhook.cli._options import complain
from webhook.model.spelling import closest_word

# What a namespace name has, and the star that stands for any text.
PATTERN: Final = re.compile(r"[a-z0-9*-]{1,63}")


class OneOf(click.Choice[str]):
    """One of several words."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the message for a word that is none of them."""
        return f"{super().get_invalid_choice_message(value, ctx)}{meant(str(value), map(str, self.choices))}"


class NamespacePattern(click.ParamType[str]):
    """A namespace name in which stars stand for any text."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the pattern."""
        if not PATTERN.fullmatch(str(value)):
            self.fail(
                f"{value!r} is no namespace name: write 1 to 63 lower-case letters, digits and '-'; * stands for any text",
                param,
                ctx,
            )
        return str(value)


class Amount(click.ParamType[float]):
    """A number of something, at least so many."""

    def __init__(self, name: str, least: float, example: str, *, whole: bool = False) -> None:
        self.name = name
        self._least = least
        self._example = example
        self._kind = int if whole else float

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            found = self._kind(value)
        except ValueError:
            found = nan
        if not self._least <= found < inf:
            self.fail(
                f"{value!r}: write a number of {self._least:g} or more without a unit, such as {self._example}",
                param,
                ctx,
            )
        return found


def meant(word: str, words: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: which word may be meant, if one is near."""
    found = closest_word(word, words)
    return f" Did you mean {found!r}?" if found else ""


def in_order(begin: datetime | None, end: datetime | None) -> None:
    """End the command where a time span ends before it begins: nothing is in it."""
    if begin and end and begin >= end:
        complain([f"--from {stamp(begin)} is not before --to {stamp(end)}; exchange the two, or move one"])
