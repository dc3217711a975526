"""Figures as people read them, and what stands for those that there is no room for."""

from datetime import datetime
from typing import Final

from webhook.guard.foretelling import counted
from webhook.report.section import Table
from webhook.report.tally import Ranked

MOST_ROWS: Final = 25
SHORT: Final = 12  # of a digest, or of a chain's name


def ranked(found: Ranked[str], what: str, count: str, caption: str) -> Table:
    """Names by how often they came."""
    rows = [(name or "(none)", times) for name, times in found.named]
    return Table([what, count], rows, caption, numbers=frozenset({1}), more=others(found.others))


def seconds(longest: float | None) -> str:
    """A time, if there is one."""
    return "not known" if longest is None else f"{longest:,.2f} s"


def when(at: datetime | None) -> str:
    """A moment, if there is one."""
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


def share(part: int, whole: int) -> str:
    """A part in per cent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def and_more(count: int, noun: str) -> str:
    """How many are not shown."""
    return f"And {counted(count, f'further {noun}')}." if count > 0 else ""


def others(count: int) -> str:
    """How often what is not shown came."""
    return f"All others together: {count:,}." if count else ""


def moment(stamp: str) -> str:
    """A record's time, to the second."""
    return stamp[:19].replace("T", " ")
