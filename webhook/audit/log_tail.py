"""Find what an earlier writer left at the end of a file."""

import os
from contextlib import suppress
from time import monotonic, sleep
from typing import Final

import msgspec
from msgspec import Struct

from webhook.audit.chain import DECODE_ERRORS, Fragment, Link, Piece, fragment_of, may_be_partial_line, split_line

# How far from the end the search for the last record goes: the first window, and the largest, which no record exceeds.
WINDOW: Final = 1 << 16
LARGEST_WINDOW: Final = 1 << 24
# Linux copies a line page by page. While the writer is not on a processor, another process may read a part of the line.
# The part stays if the writer was killed; the first record after it waits for this time.
WRITE_TIMEOUT_SECONDS: Final = 0.1
POLL_SECONDS: Final = 0.002

LINK_DECODER: Final = msgspec.json.Decoder(Link)


class LogTail(Struct, frozen=True):
    """The last record, the half lines after it, and whether the next writer has to end a line first."""

    last: Link | None = None
    partial_writes: tuple[Fragment, ...] = ()
    needs_line_end: bool = False


def read_tail(path: str) -> LogTail:
    """Return the ending of a file when no process is in the middle of a line.  Raises OSError."""
    found, until = read_tail_once(path), monotonic() + WRITE_TIMEOUT_SECONDS
    while found.needs_line_end and monotonic() < until:
        sleep(POLL_SECONDS)
        found = read_tail_once(path)
    return found


def read_tail_once(path: str) -> LogTail:
    """Return the ending of a file at this moment.  Raises OSError."""
    with open(path, "rb") as file:  # noqa: PTH123 (as it was opened for writing)
        size, window = file.seek(0, os.SEEK_END), WINDOW
        while True:
            begin = file.seek(max(0, size - window))
            text = file.read(size - begin)
            last, torn = parse_tail(text if begin == 0 else text.partition(b"\n")[2])
            if last is not None or begin == 0 or window >= LARGEST_WINDOW:
                return LogTail(last, tuple(torn), bool(size) and not text.endswith(b"\n"))
            window *= 4


def parse_tail(text: bytes) -> tuple[Link | None, list[Fragment]]:
    """Return the last record in a text, and what is torn after it: half lines, or the record's own line end."""
    torn: list[Fragment] = []
    for number, line in enumerate(reversed(text.split(b"\n"))):
        for piece in reversed([*split_line(line)]):
            link = link_of(piece)
            if link is not None:
                ends_here = number == 0 and not torn
                return link, [fragment_of(b"")] if ends_here else torn[::-1]
            torn += [fragment_of(piece.text)] if may_be_partial_line(piece.text) else []
    return None, torn[::-1]


def link_of(piece: Piece) -> Link | None:
    """Return a record's place in its chain, or None if the piece is no record."""
    with suppress(*DECODE_ERRORS):
        return LINK_DECODER.decode(piece.text) if piece.is_record else None
    return None
