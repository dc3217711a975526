"""Read logs as a stream of lines: from files in order, compressed or not, and from standard input."""

import errno
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import msgspec

from webhook.audit.chain import NOT_JSON, pieces
from webhook.files import STDIN, reason, sentence, shown, stdin

GZIP: Final = b"\x1f\x8b"
# How a log begins whose characters have two or four bytes: a byte order mark, or a brace next to zeros.
WIDE: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"{\x00", b"\x00{", b"\x00\x00\x00{")
WIDEST: Final = max(map(len, WIDE))
LONGEST_LINE: Final = 1 << 24
# A longer line is skipped in constant memory. A record has 16 MiB at most. An endless line, such as that of /dev/zero,
# must not be skipped for ever.
LONGEST_SKIPPED: Final = 64 * LONGEST_LINE
# The best ratio of gzip is 1032 to 1 (zlib's technical details). A record has 32 bytes that cannot be compressed, its
# hash, and rarely more than 2 KiB; an event of the API server has 16, its auditID. A file above this ratio and above
# the room was made to fill a machine.
MOST_EXPANDED: Final = 256
ROOM: Final = 1 << 20
# No text has so many bytes that are not UTF-8 before its first record.
MOST_UNTEXTUAL: Final = 1 << 26
# The first bytes of files that other programs compress, and the command that decompresses them.
COMPRESSED: Final = {
    b"\xfd7zXZ\x00": "xz -dc",
    b"\x28\xb5\x2f\xfd": "zstd -dc",
    b"BZh": "bzip2 -dc",
    b"PK\x03\x04": "unzip -p",
}
# How much of a longer line is kept: its beginning and its end, which identify its record.
KEPT: Final = 1 << 15
TOLD_EVERY: Final = 1 << 12  # lines
RECODE: Final = (
    "the file is UTF-16 or UTF-32 text, such as PowerShell writes with >; convert a copy with `iconv -f UTF-16 -t "
    "UTF-8`, and read it with --lenient"
)


class Unreadable(Exception):  # noqa: N818 (the file is, not the program)
    """A file cannot be read to its end; the message names it."""


class Line(NamedTuple):
    """One line of a file, without its line end; `ended` is false for a last line that lacks it.

    `size` exceeds the length of the text if the line is too long: then the text is its beginning and its end.
    """

    file: str
    number: int
    text: bytes
    ended: bool = True
    size: int = 0

    @property
    def is_too_long(self) -> bool:
        """Return whether a part of the line was left out."""
        return self.size > len(self.text)


DAMAGED: Final = "its gzip data is damaged, or other data follows it; check it with gzip -t, and use an undamaged copy"
CUT_OFF: Final = "its gzip data is truncated; copy the file again after it is complete"


def read_lines(paths: Iterable[str], moved: Callable[[int], object] = lambda _: None) -> Iterator[Line]:
    """Yield every line of every file in order; `moved` receives at intervals how many bytes of all files are read.

    Raises Unreadable.
    """
    before = 0
    for path in paths:
        try:
            with opened(path) as raw:
                lines = unpacked(raw, path)
                begins_as_log(lines, path)
                for number, text in enumerate(iter(partial(lines.readline, LONGEST_LINE + 1), b""), 1):
                    if number % TOLD_EVERY == 0 and raw.seekable():
                        moved(before + raw.tell())
                    if len(text) > LONGEST_LINE:
                        yield shortened(lines, Line(path, number, text))
                    else:
                        yield Line(path, number, text.removesuffix(b"\n"), text.endswith(b"\n"))
                before += raw.tell() if raw.seekable() else 0
        except gzip.BadGzipFile as bad:
            raise Unreadable(f"{path}: {DAMAGED}") from bad
        except OSError as bad:
            raise Unreadable(unread(path, bad)) from bad
        except (EOFError, zlib.error) as bad:
            raise Unreadable(f"{path}: {CUT_OFF if isinstance(bad, EOFError) else DAMAGED}") from bad
        moved(before)


def unread(path: str, bad: OSError) -> str:
    """Return the message about a log that cannot be read."""
    is_closed = path == STDIN and bad.errno == errno.EBADF
    return sentence(shown(path), "standard input is closed" if is_closed else reason(bad), "an audit log")


def no_record(paths: Iterable[str]) -> str:
    """Return the message about files without any record or damaged record."""
    return f"no record in {', '.join(map(shown, paths))}; expected an audit log"


def begins_as_log(lines: BufferedReader, path: str) -> None:
    """Check that a file begins as a text with one byte for each character.  Raises Unreadable."""
    first = lines.peek(WIDEST)
    if first.startswith(WIDE):
        raise Unreadable(f"{path}: {RECODE}")
    for magic, command in COMPRESSED.items():
        if first.startswith(magic):
            raise Unreadable(
                f"{path}: it is compressed, but not with gzip; unpack it first: {command} {path} | catflap audit … -"
            )


class Text:
    """Stops the reading of a file that is not text, such as a device or a disk image, unless it has had a record."""

    def __init__(self) -> None:
        self._file = ""
        self._bytes = 0
        self._is_log = False

    def look(self, line: Line, *, has_record: bool) -> None:
        """Check one line of the file.  Raises Unreadable."""
        if line.file != self._file:
            self._file, self._bytes, self._is_log = line.file, 0, False
        if self._is_log or has_record:
            self._is_log = True
        elif not is_text(line.text):
            self._bytes += len(line.text)
            if self._bytes > MOST_UNTEXTUAL:
                raise Unreadable(
                    f"{line.file}: {MOST_UNTEXTUAL >> 20} MiB before the first record are not text; expected an "
                    "audit log"
                )


def is_text(content: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def shortened(lines: IO[bytes], line: Line) -> Line:
    """Read the rest of a line that is too long, in constant memory; `line` has the first bytes.  Raises Unreadable."""
    first, last, size = line.text[:KEPT], line.text[-KEPT:], len(line.text)
    while not last.endswith(b"\n") and (more := lines.readline(LONGEST_LINE)):
        last, size = (last + more)[-KEPT:], size + len(more)
        if size > LONGEST_SKIPPED:
            raise Unreadable(
                f"{line.file}:{line.number}: the line is longer than {LONGEST_SKIPPED >> 20} MiB; expected an audit log"
            )
    ended = last.endswith(b"\n")
    return line._replace(text=first + last.removesuffix(b"\n"), ended=ended, size=size)


def read_records(paths: Iterable[str], moved: Callable[[int], object] = lambda _: None) -> Iterator[dict[str, Any]]:
    """Yield every record that matches its hash; skip half lines and edited lines.  Raises Unreadable."""
    for line in read_lines(paths, moved):
        for piece in pieces(line.text):
            if piece.is_record:
                with suppress(*NOT_JSON):
                    yield msgspec.json.decode(piece.text, type=dict)


def size(paths: Iterable[str]) -> int:
    """Return how many bytes `moved` reports in total; standard input and unreadable files count as zero."""
    found = 0
    for path in paths:
        with suppress(OSError):
            found += Path(path).stat().st_size if path != STDIN else 0
    return found


def opened(path: str) -> BufferedReader:
    """Return an open file, or standard input, which stays open."""
    if path == STDIN:
        return open(stdin().fileno(), "rb", closefd=False)
    return Path(path).open("rb")


def unpacked(raw: BufferedReader, path: str) -> BufferedReader:
    """Return the content of a compressed file, or any other file unchanged."""
    if raw.peek(len(GZIP))[: len(GZIP)] != GZIP:
        return raw
    return BufferedReader(Unpacked(raw, path))


class Taken:
    """The input of a decompressor; it counts the bytes."""

    def __init__(self, raw: BufferedReader) -> None:
        self._raw = raw
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        data = self._raw.read(size)
        self.bytes += len(data)
        return data


class Unpacked(io.RawIOBase):
    """The content of a gzip file, up to a plausible ratio."""

    def __init__(self, raw: BufferedReader, path: str) -> None:
        self._taken = Taken(raw)
        self._content = gzip.GzipFile(fileobj=cast("Any", self._taken), mode="rb")
        self._path = path
        self._given = 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return how many bytes were filled.  Raises Unreadable, OSError, EOFError, zlib.error."""
        found = self._content.readinto(buffer)
        self._given += found
        if self._given > max(ROOM, MOST_EXPANDED * self._taken.bytes):
            raise Unreadable(
                f"{self._path}: gzip expands {self._taken.bytes:,} bytes to more than {MOST_EXPANDED} times their "
                "size, which is not possible for an audit log"
            )
        return found
