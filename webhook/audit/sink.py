"""Where records go: one JSON line each, handed to the operating system before the call returns."""

import os
from threading import Lock
from typing import Any

import msgspec

from webhook import __version__

STDOUT = 1


class AuditLogUnwritable(Exception):  # noqa: N818 (a state of the disk)
    """The record could not be written whole; the decision must not leave."""


class AuditLog:
    """Appends records to a file, or to standard output where no file is named.

    Each line is one `write` on a descriptor opened for append, so that writers of several processes do not mix.
    """

    def __init__(self, path: str | None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = STDOUT if path is None else os.open(path, flags, 0o600)
        self._lock = Lock()
        self._encoder = msgspec.json.Encoder()
        self._torn = False

    def append(self, record: dict[str, Any]) -> None:
        """Write one record; raises AuditLogUnwritable where the disk takes less than all of it."""
        line = self._encoder.encode({**record, "catflap": __version__}) + b"\n"
        with self._lock:
            if self._torn:  # half a line stands there: end it, so that this record stands on its own
                line = b"\n" + line
            try:
                written = os.write(self._descriptor, line)
            except OSError as bad:
                raise AuditLogUnwritable(str(bad)) from bad
            self._torn = written < len(line)
        if written < len(line):
            raise AuditLogUnwritable(f"{written} of {len(line)} bytes were taken")
