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

from webhook.audit.chain import DECODE_ERRORS, split_line
from webhook.files import STDIN, reason, sentence, shown, stdin

GZIP: Final = b"\x1f\x8b"
# How a log begins whose characters have two or four bytes: a byte order mark, or a brace next to zeros.
WIDE_ENCODINGS: Final = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"{\x00\x00\x00": "UTF-32LE",
    b"\x00\x00\x00{": "UTF-32BE",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"{\x00": "UTF-16LE",
    b"\x00{": "UTF-16BE",
}
LONGEST_MAGIC: Final = max(map(len, WIDE_ENCODINGS))
LONGEST_LINE: Final = 1 << 24
# A longer line is skipped in constant memory. A record has 16 MiB at most. An endless line, such as that of /dev/zero,
# must not be skipped for ever.
LONGEST_SKIPPED: Final = 64 * LONGEST_LINE
# The best ratio of gzip is 1032 to 1 (zlib's technical details). A record has 32 bytes that cannot be compressed, its
# hash, and rarely more than 2 KiB; an event of the API server has 16, its auditID. A file above this ratio and above
# the room was made to fill a machine.
MOST_EXPANSION: Final = 256
FREE_EXPANSION: Final = 1 << 20
# No text has so many bytes that are not UTF-8 before its first record.
MOST_BINARY: Final = 1 << 26
# The first bytes of files that other programs compress, and the command that decompresses them.
COMPRESSED: Final = {
    b"\xfd7zXZ\x00": "xz -dc",
    b"\x28\xb5\x2f\xfd": "zstd -dc",
    b"BZh": "bzip2 -dc",
    b"PK\x03\x04": "unzip -p",
}
# How much of a longer line is kept: its beginning and its end, which identify its record.
KEPT_BYTES: Final = 1 << 15
PROGRESS_INTERVAL: Final = 1 << 12  # lines
CONVERT_ENCODING: Final = (
    "the file is {0} text, such as PowerShell writes with >; convert a copy with `iconv -f {0} -t UTF-8`, and read it "
    "with --lenient"
)


class UnreadableLogError(Exception):
    """A file cannot be read to its end; the message names it."""


class LogLine(NamedTuple):
    """One line of a file, without its line end; `ended` is false for a last line that lacks it.

    `size` exceeds the length of the text if the line is too long: then the text is its beginning and its end.
    """

    file: str
    number: int
    text: bytes
    has_line_end: bool = True
    size: int = 0

    @property
    def is_too_long(self) -> bool:
        """Return whether a part of the line was left out."""
        return self.size > len(self.text)


DAMAGED: Final = "its gzip data is damaged, or other data follows it; check it with gzip -t, and use an undamaged copy"
CUT_OFF: Final = "its gzip data is truncated; copy the file again after it is complete"


def read_lines(paths: Iterable[str], on_progress: Callable[[int], object] = lambda _: None) -> Iterator[LogLine]:
    """Yield every line of every file in order; `on_progress` receives at intervals how many bytes of all files are read.

    Raises UnreadableLogError.
    """
    bytes_before = 0
    for path in paths:
        try:
            with open_log(path) as raw:
                lines = decompress(raw, path)
                check_beginning(lines, path)
                for number, text in enumerate(iter(partial(lines.readline, LONGEST_LINE + 1), b""), 1):
                    if number % PROGRESS_INTERVAL == 0 and raw.seekable():
                        on_progress(bytes_before + raw.tell())
                    if len(text) > LONGEST_LINE:
                        yield shorten_line(lines, LogLine(path, number, text))
                    else:
                        yield LogLine(path, number, text.removesuffix(b"\n"), text.endswith(b"\n"))
                bytes_before += raw.tell() if raw.seekable() else 0
        except gzip.BadGzipFile as bad:
            raise UnreadableLogError(f"{path}: {DAMAGED}") from bad
        except OSError as bad:
            raise UnreadableLogError(unreadable_message(path, bad)) from bad
        except (EOFError, zlib.error) as bad:
            raise UnreadableLogError(f"{path}: {CUT_OFF if isinstance(bad, EOFError) else DAMAGED}") from bad
        on_progress(bytes_before)


def unreadable_message(path: str, bad: OSError) -> str:
    """Return the message about a log that cannot be read."""
    is_closed = path == STDIN and bad.errno == errno.EBADF
    return sentence(shown(path), "standard input is closed" if is_closed else reason(bad), "an audit log")


def no_record_message(paths: Iterable[str]) -> str:
    """Return the message about files without any record or damaged record."""
    return f"no record in {', '.join(map(shown, paths))}; expected an audit log"


def check_beginning(lines: BufferedReader, path: str) -> None:
    """Check that a file begins as a text with one byte for each character.  Raises UnreadableLogError."""
    first = lines.peek(LONGEST_MAGIC)
    for magic, encoding in WIDE_ENCODINGS.items():
        if first.startswith(magic):
            raise UnreadableLogError(f"{path}: {CONVERT_ENCODING.format(encoding)}")
    for magic, command in COMPRESSED.items():
        if first.startswith(magic):
            raise UnreadableLogError(
                f"{path}: it is compressed, but not with gzip; unpack it first: {command} {path} | catflap … -"
            )


class TextCheck:
    """Stops the reading of a file that is not text, such as a device or a disk image, unless it has had a record."""

    def __init__(self) -> None:
        self._file = ""
        self._bytes = 0
        self._is_log = False

    def check(self, line: LogLine, *, has_record: bool) -> None:
        """Check one line of the file.  Raises UnreadableLogError."""
        if line.file != self._file:
            self._file, self._bytes, self._is_log = line.file, 0, False
        if self._is_log or has_record:
            self._is_log = True
        elif not is_text(line.text):
            self._bytes += len(line.text)
            if self._bytes > MOST_BINARY:
                raise UnreadableLogError(
                    f"{line.file}: {MOST_BINARY >> 20} MiB before the first record are not text; expected an audit log"
                )


def is_text(content: bytes) -> bool:
    """Return whether bytes are UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def shorten_line(lines: IO[bytes], line: LogLine) -> LogLine:
    """Read the rest of a line that is too long, in constant memory; `line` has the first bytes.  Raises UnreadableLogError."""
    first, last, size = line.text[:KEPT_BYTES], line.text[-KEPT_BYTES:], len(line.text)
    while not last.endswith(b"\n") and (chunk := lines.readline(LONGEST_LINE)):
        last, size = (last + chunk)[-KEPT_BYTES:], size + len(chunk)
        if size > LONGEST_SKIPPED:
            raise UnreadableLogError(
                f"{line.file}:{line.number}: the line is longer than {LONGEST_SKIPPED >> 20} MiB; expected an audit log"
            )
    ended = last.endswith(b"\n")
    return line._replace(text=first + last.removesuffix(b"\n"), has_line_end=ended, size=size)


def read_records(
    paths: Iterable[str], on_progress: Callable[[int], object] = lambda _: None
) -> Iterator[dict[str, Any]]:
    """Yield every record that matches its hash; skip half lines and edited lines.  Raises UnreadableLogError."""
    for line in read_lines(paths, on_progress):
        for piece in split_line(line.text):
            if piece.is_record:
                with suppress(*DECODE_ERRORS):
                    yield msgspec.json.decode(piece.text, type=dict)


def total_size(paths: Iterable[str]) -> int:
    """Return how many bytes `on_progress` reports in total; standard input and unreadable files count as zero."""
    total = 0
    for path in paths:
        with suppress(OSError):
            total += Path(path).stat().st_size if path != STDIN else 0
    return total


def open_log(path: str) -> BufferedReader:
    """Return an open file, or standard input, which stays open."""
    if path == STDIN:
        return open(stdin().fileno(), "rb", closefd=False)
    return Path(path).open("rb")


def decompress(raw: BufferedReader, path: str) -> BufferedReader:
    """Return the content of a compressed file, or any other file unchanged."""
    if raw.peek(len(GZIP))[: len(GZIP)] != GZIP:
        return raw
    return BufferedReader(GzipReader(raw, path))


class CountingReader:
    """The input of a decompressor; it counts the bytes."""

    def __init__(self, raw: BufferedReader) -> None:
        self._raw = raw
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        data = self._raw.read(size)
        self.bytes += len(data)
        return data


class GzipReader(io.RawIOBase):
    """The content of a gzip file, up to a plausible ratio."""

    def __init__(self, raw: BufferedReader, path: str) -> None:
        self._source = CountingReader(raw)
        self._content = gzip.GzipFile(fileobj=cast("Any", self._source), mode="rb")
        self._path = path
        self._expanded = 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return how many bytes were filled.  Raises UnreadableLogError, OSError, EOFError, zlib.error."""
        count = self._content.readinto(buffer)
        self._expanded += count
        if self._expanded > max(FREE_EXPANSION, MOST_EXPANSION * self._source.bytes):
            raise UnreadableLogError(
                f"{self._path}: gzip expands {self._source.bytes:,} bytes to more than {MOST_EXPANSION} times their "
                "size, which is not possible for an audit log"
            )
        return count
