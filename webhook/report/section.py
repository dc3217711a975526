"""What the page is made of: sections of words, tables and pictures."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Cell = str | int | float
Tone = Literal["", "good", "bad", "note"]


class Table(Struct, frozen=True):
    """Rows under names; columns of numbers stand to the right.  `empty` is said where there is no row."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    empty: str = "none"
    numbers: frozenset[int] = frozenset()
    more: str = ""


class Picture(Struct, frozen=True):
    """A picture, and what it shows for those who do not see it; its figures stand in a table as well."""

    svg: str
    shows: str


class Section(Struct, frozen=True):
    """One heading and what stands under it."""

    name: str
    title: str
    says: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    limits: str = ""


class Tile(Struct, frozen=True):
    """A figure that is seen first."""

    value: str
    label: str
    tone: Tone = ""


class Page(Struct, frozen=True):
    """The whole report."""

    title: str
    verdict: str
    is_sound: bool
    facts: Sequence[tuple[str, str]]
    tiles: Sequence[Tile]
    sections: Sequence[Section]


def number(value: float) -> str:
    """A figure as people read it."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
