"""Where lines go: to a file or to standard output, handed to the operating system before the call returns."""

import os
import stat
from contextlib import suppress

import msgspec

from webhook.audit.chain import Fragment, Link, fragment, pieces

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

    def _look_back(self, path: str) -> None:
        """Find what an earlier writer left at the end of the file."""
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            return
        half, self.last = b"", None
        with open(path, "rb") as file:  # noqa: PTH123 (as it was opened for writing)
            size, window = file.seek(0, os.SEEK_END), WINDOW
            while True:
                begin = file.seek(max(0, size - window))
                half, self.last = ending(file.read(size - begin), whole=not begin)
                if self.last is not None or not begin or window >= LARGEST_WINDOW:
                    break
                window *= 4
        self._end_first = bool(half)
        self.torn += [fragment(piece.text) for piece in [*pieces(half)][-1:] if not piece.is_record]


def ending(text: bytes, *, whole: bool) -> tuple[bytes, Link | None]:
    """The unfinished last line of a text, and the last record in it; the first line counts only where the text is `whole`."""
    lines = text.split(b"\n")
    found = (link for line in reversed(lines[0 if whole else 1 :]) for link in reversed(links(line)))
    return lines[-1], next(found, None)


def links(line: bytes) -> list[Link]:
    """The records in a line, by their places in their chains."""
    with suppress(msgspec.ValidationError):
        return [LINKS.decode(piece.text) for piece in pieces(line) if piece.is_record]
    return []
