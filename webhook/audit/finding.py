"""What can be wrong with a log, and where."""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class Damage(StrEnum):
    """The closed set of what is found."""

    EDITED = "edited"
    MISSING = "missing"
    REORDERED = "reordered"
    REPEATED = "repeated"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    FORGED = "forged"
    SKIPPED = "skipped"  # of a request that should have come to us


class Place(NamedTuple):
    """A line of a file; `order` counts the lines of all files."""

    file: str
    line: int
    order: int


class Finding(Struct, frozen=True):
    """One damage: of which kind, at which line, of which record as far as that is known, in words."""

    damage: Damage
    place: Place
    says: str
    chain: str = ""
    seq: int | None = None
