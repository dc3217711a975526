"""Numbers, spans of time and names as people read them."""

from math import ceil
from typing import Any, Final

from markupsafe import Markup

from webhook.model.abbreviation import printable

LONGEST_TEXT: Final = 4_000
MINUTE, HOUR, DAY = 60, 3_600, 86_400
UNITS: Final = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s"), (1, "s", 1, ""))
FINE: Final = 10  # seconds; below this fractions are told


def duration(seconds: float) -> str:
    """A span of time in the two largest units that it has, no shorter than it is: many a one is an upper bound."""
    if seconds < FINE:
        return f"{seconds:.2g} s"
    size, unit, part, part_unit = next(one for one in UNITS if seconds >= one[0])
    whole, rest = divmod(ceil(seconds / part), size // part)
    return f"{whole:,} {unit} {rest} {part_unit}" if rest else f"{whole:,} {unit}"


def instant(time: str) -> str:
    """A record's time to the second."""
    return time[:19].replace("T", " ")


def shown(value: Any) -> Any:
    """What a page prints: numbers with thousands apart; of texts what would move a cursor or turn the writing round by its code."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = printable(str(value))
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
