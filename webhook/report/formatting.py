"""Format numbers, time spans and names for people."""

from math import ceil
from typing import Any, Final

from markupsafe import Markup

from webhook.model.abbreviation import printable

LONGEST_TEXT: Final = 4_000
MINUTE, HOUR, DAY = 60, 3_600, 86_400
UNITS: Final = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s"), (1, "s", 1, ""))
FRACTIONS_BELOW: Final = 10  # seconds; a shorter span has fractions


def format_duration(seconds: float) -> str:
    """Return a time span in its two largest units, rounded up, because many spans are upper bounds."""
    if seconds < FRACTIONS_BELOW:
        return f"{seconds:.2g} s"
    size, unit, part, part_unit = next(one for one in UNITS if seconds >= one[0])
    whole, rest = divmod(ceil(seconds / part), size // part)
    return f"{whole:,} {unit} {rest} {part_unit}" if rest else f"{whole:,} {unit}"


def format_time(time: str) -> str:
    """Return a record's time to the second."""
    return time[:19].replace("T", " ")


def to_text(value: Any) -> Any:
    """Return a value as the page prints it.

    Numbers get separators of thousands. Characters of a text that move the cursor or reverse the writing become codes.
    """
    if isinstance(value, Markup):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = printable(str(value))
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
