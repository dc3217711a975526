"""Values that a command line chooses from known ones; the message about an unknown value names the nearest."""

import re
from collections.abc import Iterable
from datetime import datetime
from math import inf, nan
from typing import Any, Final

import click

from webhook.audit.query import matches_any
from webhook.audit.record import timestamp
from webhook.cli._options import exit_with_errors
from webhook.model.reason import ReasonCode
from webhook.model.spelling import closest_word

# The characters of a namespace name, and the star that matches any text.
PATTERN: Final = re.compile(r"[a-z0-9*-]{1,63}")


class WordChoice(click.Choice[str]):
    """One of several words."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return the message for an unknown word."""
        return f"{super().get_invalid_choice_message(value, ctx)}{suggestion(str(value), map(str, self.choices))}"


class NamespacePatternType(click.ParamType[str]):
    """A namespace name in which stars match any text."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the pattern."""
        if not PATTERN.fullmatch(str(value)):
            self.fail(
                f"{value!r} is not a valid namespace name: write 1 to 63 lower-case letters, digits and '-'; * "
                "matches any text",
                param,
                ctx,
            )
        return str(value)


class ReasonPatternType(click.ParamType[str]):
    """A reason code in which stars match any text."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the pattern."""
        if not matches_any(str(value), ReasonCode):
            self.fail(
                f"{value!r} is not a reason code of this release.{suggestion(str(value), map(str, ReasonCode))} Write a "
                f"code such as {ReasonCode.BREAK_GLASS}; * matches any text; docs/reason-codes.md lists all codes",
                param,
                ctx,
            )
        return str(value)


class NumberType(click.ParamType[float]):
    """A number with a lower limit."""

    def __init__(self, name: str, minimum: float, example: str, *, whole: bool = False) -> None:
        self.name = name
        self._least = minimum
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


def suggestion(word: str, words: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: which word the user may mean, if one is near."""
    found = closest_word(word, words)
    return f" Did you mean {found!r}?" if found else ""


def check_time_range(begin: datetime | None, end: datetime | None) -> None:
    """End the command if a time span ends before it begins: it contains nothing."""
    if begin and end and begin >= end:
        exit_with_errors(
            [f"--from {timestamp(begin)} is not before --to {timestamp(end)}; swap the two, or change one"]
        )
