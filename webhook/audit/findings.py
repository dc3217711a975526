"""The kinds of damage to a log, and their places."""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct


class FindingKind(StrEnum):
    """The closed set of kinds of damage."""

    EDITED = "edited"
    MISSING = "missing"
    REORDERED = "reordered"
    REPEATED = "repeated"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    FORGED = "forged"
    SKIPPED = "skipped"  # a request that the API server did not send to catflap


class LinePosition(NamedTuple):
    """A line of a file; `order` counts the lines of all files."""

    file: str
    line: int
    order: int


class Finding(Struct, frozen=True):
    """One damage: its kind, its line, its record if that is known, and a description."""

    kind: FindingKind
    place: LinePosition
    message: str
    chain: str = ""
    seq: int | None = None
