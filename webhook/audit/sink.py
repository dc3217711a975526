"""Where lines go: to a file or to standard output, handed to the operating system before the call returns."""

import os
import stat
from contextlib import suppress

import msgspec

from webhook.audit.chain import Fragment, Link, Piece, fragment, is_half, pieces

STDOUT = 1
# How far from the end the last record is looked for: first a little, at last as much as no record takes.
WINDOW, LARGEST_WINDOW = 1 << 16, 1 << 24

LINKS = msgspec.json.Decoder(Link)


class AuditLogUnwritable(Exception):  # noqa: N818 (a state of the disk)
    """The record could not be written whole; the decision must not leave."""


class Sink:
    """Appends lines to a file, or to standard output where no file is named.

    Each line is one `write` on a descriptor opened for append, so that writers of several processes do not mix.  `last` is the
    last record that stood in the file when it was opened, `torn` the half lines that the next record has to own up to.
    """

    def __init__(self, path: str | None) -> None:
        self.last: Link | None = None
        self.torn: list[Fragment] = []
        self._end_first = False  # what stands at the end of the file has no line end yet
        self._descriptor = STDOUT
        if path is not None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)
            self._look_back(path)

    def write(self, line: bytes) -> None:
        """Write one line, which owns up to all that is torn; raises AuditLogUnwritable where the disk takes less than all of it."""
        data = b"\n" + line if self._end_first else line
        try:
            written = os.write(self._descriptor, data)
        except OSError as bad:
            raise AuditLogUnwritable(str(bad)) from bad
        if written == len(data):
            self._end_first = False
            self.torn.clear()
            return
        part = data[:written].removeprefix(b"\n")
        if len(part) == len(line) - 1:  # the record stands, only its end does not
            self._end_first = True
            self.torn[:] = [fragment(b"")]
            return
        self._end_first = bool(part) or (self._end_first and not written)
        if part:
            self.torn.append(fragment(part))
        raise AuditLogUnwritable(f"{written} of {len(data)} bytes were taken")

    def close(self) -> None:
        """Give the file back; nothing is written after that."""
        if self._descriptor != STDOUT:
            os.close(self._descriptor)

    def _look_back(self, path: str) -> None:
        """Find what an earlier writer left at the end of the file."""
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            return
        with open(path, "rb") as file:  # noqa: PTH123 (as it was opened for writing)
            size, window = file.seek(0, os.SEEK_END), WINDOW
            while True:
                begin = file.seek(max(0, size - window))
                text = file.read(size - begin)
                self.last, self.torn = ending(text if begin == 0 else text.partition(b"\n")[2])
                if self.last is not None or begin == 0 or window >= LARGEST_WINDOW:
                    break
                window *= 4
        self._end_first = bool(size) and not text.endswith(b"\n")


def ending(text: bytes) -> tuple[Link | None, list[Fragment]]:
    """The last record in a text, and what is torn behind it: half lines, or its own line end."""
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
    """A record's place in its chain; None for what is none."""
    with suppress(msgspec.ValidationError):
        return LINKS.decode(piece.text) if piece.is_record else None
    return None
