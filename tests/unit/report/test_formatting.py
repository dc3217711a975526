"""Test the format of numbers, time spans and names for people."""

import pytest
from markupsafe import Markup

from webhook.model.counting import counted
from webhook.report.formatting import LONGEST_TEXT, format_duration, format_time, to_text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.25, "0.25 s"), (0.0431, "0.043 s"), (42, "42 s"), (9.5, "9.5 s"), (41.2, "42 s"), (132, "2 min 12 s"), (7_500, "2 h 5 min"), (21_600, "6 h"), (60, "1 min"), (86_000, "23 h 54 min"), (59.4, "60 s"), (7_501, "2 h 6 min"), (86_400, "1 d"), (95_000_001, "1,099 d 13 h")],
)  # fmt: skip
def test_spans_have_two_units(seconds: float, said: str) -> None:
    """The units are the two largest ones."""
    assert format_duration(seconds) == said


def test_counts_have_thousands_apart() -> None:
    """The singular is correct too."""
    assert (counted(1, "record"), counted(1_234_567, "record")) == ("1 record", "1,234,567 records")
    assert to_text(1_234_567) == "1,234,567"


def test_times_are_to_the_second() -> None:
    """The format is one for people."""
    assert format_time("2026-01-31T12:00:00.123456Z") == "2026-01-31 12:00:00"


@pytest.mark.parametrize("character", ["\u202e", "\u2066", "\x1b", "\n", "\u200b", "\ud800"])
def test_invisible_character_is_shown_as_a_code(character: str) -> None:
    """The most important characters are those that reverse the writing."""
    assert to_text(f"a{character}b").isprintable()
    assert character not in to_text(f"a{character}b")


def test_markup_is_unchanged_and_text_is_limited() -> None:
    """Only the page's own macros make markup."""
    assert to_text(Markup("<b>\n</b>")) == "<b>\n</b>"
    assert len(to_text("x" * 2 * LONGEST_TEXT)) == LONGEST_TEXT
