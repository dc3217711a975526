"""Logs as a stream of lines: from files, compressed or not, one after the other, and from standard input."""

import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import msgspec

from webhook.audit.chain import NOT_JSON, pieces

STDIN: Final = "-"
GZIP: Final = b"\x1f\x8b"
# How a log begins whose characters take two bytes or four: a byte order mark, or a brace with zeros beside it.
WIDE: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"{\x00", b"\x00{", b"\x00\x00\x00{")
WIDEST: Final = max(map(len, WIDE))
LONGEST_LINE: Final = 1 << 24
# What is kept of a longer line: its beginning and its end, which say of which record it is.
KEPT: Final = 1 << 15
TOLD_EVERY: Final = 1 << 12  # lines
RECODE: Final = (
    "the file is UTF-16 or UTF-32 text, as PowerShell's > writes it, and no log of catflap is; "
    "convert a copy by `iconv -f UTF-16 -t UTF-8`, and read that with --lenient"
)


class Unreadable(Exception):  # noqa: N818 (the file is, not the program)
    """A file that cannot be read to its end; the message names it."""


class Line(NamedTuple):
    """One line of a file, without its end; `ended` is false for a last line that lacks it.

    `size` is more than the length of the text where the line is too long: the text is its beginning and its end then.
    """

    file: str
    number: int
    text: bytes
    ended: bool = True
    size: int = 0

    @property
    def is_too_long(self) -> bool:
        """Whether a part of it was left out."""
        return self.size > len(self.text)


def read_lines(paths: Iterable[str], moved: Callable[[int], object] = lambda _: None) -> Iterator[Line]:
    """Every line of every file, in the order given; `moved` is told now and then how many bytes of all files are read.

    Raises Unreadable.
    """
    before = 0
    for path in paths:
        try:
            with opened(path) as raw:
                lines = unpacked(raw)
                if lines.peek(WIDEST).startswith(WIDE):
                    raise Unreadable(f"{path}: {RECODE}")
                for number, text in enumerate(iter(partial(lines.readline, LONGEST_LINE + 1), b""), 1):
                    if number % TOLD_EVERY == 0 and raw.seekable():
                        moved(before + raw.tell())
                    if len(text) > LONGEST_LINE:
                        yield shortened(lines, Line(path, number, text))
                    else:
                        yield Line(path, number, text.removesuffix(b"\n"), text.endswith(b"\n"))
                before += raw.tell() if raw.seekable() else 0
        except (OSError, EOFError, zlib.error) as bad:
            raise Unreadable(f"{path}: {bad}") from bad
        moved(before)


def shortened(lines: IO[bytes], line: Line) -> Line:
    """A line that is too long, of which `line` has the first bytes, read to its end in constant memory."""
    first, last, size = line.text[:KEPT], line.text[-KEPT:], len(line.text)
    while not last.endswith(b"\n") and (more := lines.readline(LONGEST_LINE)):
        last, size = (last + more)[-KEPT:], size + len(more)
    ended = last.endswith(b"\n")
    return line._replace(text=first + last.removesuffix(b"\n"), ended=ended, size=size)


def read_records(paths: Iterable[str], moved: Callable[[int], object] = lambda _: None) -> Iterator[dict[str, Any]]:
    """Every record that is what its hash says; half lines and what was edited are passed over.  Raises Unreadable."""
    for line in read_lines(paths, moved):
        for piece in pieces(line.text):
            if piece.is_record:
                with suppress(*NOT_JSON):
                    yield msgspec.json.decode(piece.text, type=dict)


def size(paths: Iterable[str]) -> int:
    """How many bytes `moved` will have told at last; standard input counts for nothing."""
    return sum(Path(path).stat().st_size for path in paths if path != STDIN)


def opened(path: str) -> BufferedReader:
    """A file, or standard input, which stays open."""
    if path == STDIN:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    return Path(path).open("rb")


def unpacked(raw: BufferedReader) -> BufferedReader:
    """What a compressed file holds; any other as it is."""
    if raw.peek(len(GZIP))[: len(GZIP)] != GZIP:
        return raw
    return BufferedReader(cast("Any", gzip.GzipFile(fileobj=raw)))
