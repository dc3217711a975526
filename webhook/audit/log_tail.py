"""Find what an earlier writer left at the end of a file."""

import os
from contextlib import suppress
from time import monotonic, sleep
from typing import Final

import msgspec
from msgspec import Struct

from webhook.audit.chain import NOT_JSON, Fragment, Link, Piece, fragment, is_half, pieces

# How far from the end the search for the last record goes: the first window, and the largest, which no record exceeds.
WINDOW: Final = 1 << 16
LARGEST_WINDOW: Final = 1 << 24
# Linux copies a line page by page. While the writer is not on a processor, another process may read a part of the line.
# The part stays if the writer was killed; the first record after it waits for this time.
WRITING_SECONDS: Final = 0.1
PAUSE_SECONDS: Final = 0.002

LINKS: Final = msgspec.json.Decoder(Link)


class Ending(Struct, frozen=True):
    """The last record, the half lines after it, and whether the next writer has to end a line first."""

    last: Link | None = None
    torn: tuple[Fragment, ...] = ()
    end_first: bool = False


def ending_of(path: str) -> Ending:
    """Return the ending of a file when no process is in the middle of a line.  Raises OSError."""
    found, until = ending_now(path), monotonic() + WRITING_SECONDS
    while found.end_first and monotonic() < until:
        sleep(PAUSE_SECONDS)
        found = ending_now(path)
    return found


def ending_now(path: str) -> Ending:
    """Return the ending of a file at this moment.  Raises OSError."""
    with open(path, "rb") as file:  # noqa: PTH123 (as it was opened for writing)
        size, window = file.seek(0, os.SEEK_END), WINDOW
        while True:
            begin = file.seek(max(0, size - window))
            text = file.read(size - begin)
            last, torn = ending(text if begin == 0 else text.partition(b"\n")[2])
            if last is not None or begin == 0 or window >= LARGEST_WINDOW:
                return Ending(last, tuple(torn), bool(size) and not text.endswith(b"\n"))
            window *= 4


def ending(text: bytes) -> tuple[Link | None, list[Fragment]]:
    """Return the last record in a text, and what is torn after it: half lines, or the record's own line end."""
    torn: list[Fragment] = []
    for number, line in enumerate(reversed(text.split(b"\n"))):
        for piece in reversed([*pieces(line)]):
            link = link_of(piece)
            if link is not None:
                ends_here = number == 0 and not torn
                return link, [fragment(b"")] if ends_here else torn[::-1]
            torn += [fragment(piece.text)] if is_half(piece.text) else []
    return None, torn[::-1]


def link_of(piece: Piece) -> Link | None:
    """Return a record's place in its chain, or None if the piece is no record."""
    with suppress(*NOT_JSON):
        return LINKS.decode(piece.text) if piece.is_record else None
    return None
