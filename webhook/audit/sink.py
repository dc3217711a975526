"""Write lines to a file or to standard output; the operating system has each line before the call returns."""

import logging
import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from time import perf_counter
from typing import Final

from webhook.audit.chain import Fragment, Link, fragment
from webhook.audit.commit import GroupCommit
from webhook.audit.ending import Ending, ending_of
from webhook.audit.keeping import UNOBSERVED, Observer, Rotation
from webhook.audit.record import utc_now
from webhook.audit.rotation import aside, begun, discard, is_at, locked, put_aside, sync_folder
from webhook.audit.witness import Witness

logger = logging.getLogger(__name__)

STDOUT: Final = 1
FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
NO_ROTATION: Final = Rotation()
# A pipe with any room takes this many bytes without blocking.
PIECE: Final = select.PIPE_BUF
# The sink waits this long once for a busy reader, and every request waits with it.
PATIENCE_SECONDS: Final = 0.25


class AuditLogUnwritable(Exception):  # noqa: N818 (a state of the disk)
    """A record could not be written completely, so its decision must not leave."""


class Sink:
    """Appends lines to a file, or to standard output if there is no path.

    Each line is one `write` on a descriptor that is open for append, so lines of several processes do not mix.  `last`
    is the last record in the file when it was opened.  `torn` has the half lines that the next record has to list; the
    writer of that record removes them from `torn`.  The sink waits once for a pipe without a reader: for `patience`
    seconds, or for ever if `patience` is None.
    """

    def __init__(
        self,
        path: str | None,
        *,
        rotation: Rotation = NO_ROTATION,
        synced: bool = False,
        patience: float | None = PATIENCE_SECONDS,
        observer: Observer = UNOBSERVED,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.last: Link | None = None
        self.torn: list[Fragment] = []
        self.witness: Witness | None = None  # reads the records of the other processes that write to the file
        self._path = path
        self._rotation = rotation
        self._synced = synced
        self._patience = patience
        self._observer = observer
        self._now = now
        self._commit = GroupCommit(self._sync)
        self._stalled = False
        self._stuck = False
        self._begun: datetime | None = None  # when the file's first record was written
        if path is None:
            self._take(STDOUT, Ending())
        else:
            self._open(path)

    def _open(self, path: str) -> None:
        descriptor = os.open(path, FLAGS, 0o600)
        try:
            readable = is_file(descriptor)
            found, since = (ending_of(path), begun(path)) if readable else (Ending(), None)
        except BaseException:
            os.close(descriptor)
            raise
        self._take(descriptor, found)
        self._begun = since
        if readable:
            self.witness = self.witness or Witness()
            self.witness.follow(path, descriptor)

    def _take(self, descriptor: int, found: Ending) -> None:
        kind = os.fstat(descriptor).st_mode
        self._is_file = stat.S_ISREG(kind)
        self._is_pipe = stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)
        self._descriptor = descriptor
        self._may_move = self._is_file and self._path is not None
        self.last, self._end_first = found.last, found.end_first
        self.torn += found.torn

    @property
    def written(self) -> int:
        """Return how many lines were written, which is the number of the last one."""
        return self._commit.written

    def write(self, line: bytes) -> None:
        """Write one line; raises AuditLogUnwritable if the operating system takes only a part."""
        if self._may_move:
            self._move_on(len(line))
        data = b"\n" + line if self._end_first else line
        try:
            taken = self._write_in_pieces(data) if self._is_pipe else os.write(self._descriptor, data)
        except OSError as bad:
            raise AuditLogUnwritable(str(bad)) from bad
        if taken == len(data):
            self._end_first = False
            self._commit.written += 1
            return
        part = data[:taken].removeprefix(b"\n")
        if len(part) == len(line) - 1:  # the record is complete, only its line end is missing
            self._end_first = True
            self.torn.append(fragment(b""))
            self._commit.written += 1
            return
        self._end_first = bool(part) or (self._end_first and not taken)
        if part:
            self.torn.append(fragment(part))
        raise AuditLogUnwritable(f"{taken} of {len(data)} bytes were written")

    def settle(self, line: int) -> None:
        """Return when the line with this number is on the disk; raises AuditLogUnwritable if the sync failed."""
        try:
            self._commit.settle(line)
        except OSError as bad:
            raise AuditLogUnwritable(f"the disk did not store it: {bad}") from bad

    def look(self) -> None:
        """Put the file aside when it is due, and follow if another process did so."""
        if self._path is None or not self._is_file:
            return
        self._stuck = False
        size, age = os.fstat(self._descriptor).st_size, self._rotation.age
        if size and self._begun is None:
            self._begun = self._now()
        too_old = age is not None and self._begun is not None and self._now() - self._begun >= age
        if not is_at(self._path, self._descriptor) or (too_old and not self._end_first):
            self._rotate()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from beginning a chain in this file, and from putting it aside.

        This has no effect if the file cannot be locked soon, because its file system has no locks or a suspended
        process holds the lock.
        """
        self.look()
        with locked(self._descriptor) if self._may_move else nullcontext():
            yield

    def last_put_aside(self) -> Link | None:
        """Return the last record of the newest file that was put aside, or None if no such file is readable."""
        with suppress(OSError):
            if self._path is not None and (files := aside(self._path)):
                return ending_of(str(files[-1])).last
        return None

    def close(self) -> None:
        """Close the file; nothing is written after that."""
        if self._synced:
            with suppress(OSError):  # each waiting thread gets the error
                self._commit.settle(self._commit.written)
        if self.witness is not None:
            self.witness.close()
        if self._descriptor != STDOUT:
            os.close(self._descriptor)

    def _move_on(self, size: int) -> None:
        """Begin another file if this one was deleted or has no room for `size` more bytes.

        The check runs for every line, because other processes write to the file too. It takes half a microsecond.
        Raises AuditLogUnwritable.
        """
        state, most = os.fstat(self._descriptor), self._rotation.size
        if state.st_nlink:
            if most and state.st_size and state.st_size + size > most and not (self._end_first or self._stuck):
                self._rotate()
            return
        if not self._stuck:
            logger.error("the audit log %s was deleted with its records; catflap starts a new file", self._path)
            self._observer.failed()
            self._rotate()
        if self._stuck:
            raise AuditLogUnwritable(f"{self._path} was deleted, and catflap cannot create it again")

    def _rotate(self) -> None:
        """Begin a new file; after a failure the old one stays, and the next look tries again."""
        assert self._path is not None
        old, rotation = self._descriptor, self._rotation
        try:
            if self._synced:
                with suppress(OSError):  # each waiting thread gets the error
                    self._commit.settle(self._commit.written)
            put_aside(self._path, old, self._now())
            self._open(self._path)
            os.close(old)
            if self._synced:
                sync_folder(self._path)
            if rotation.keep is not None:
                discard(self._path, keep=rotation.keep)
        except OSError as bad:
            self._stuck = True  # no line tries it again before the next look
            logger.error("cannot rotate the files of the audit log: %s", bad)  # noqa: TRY400 (it says where)

    def _write_in_pieces(self, data: bytes) -> int:
        """Write to a pipe what it takes in the permitted time; return the number of bytes."""
        poll, taken = select.poll(), 0
        poll.register(self._descriptor, select.POLLOUT)
        patience = self._patience and 1000 * (0 if self._stalled else self._patience)
        while taken < len(data):
            if not poll.poll(patience):
                self._stalled = True
                break
            try:
                taken += os.write(self._descriptor, data[taken : taken + PIECE])
            except OSError:
                if taken:
                    break
                raise
        else:
            self._stalled = False
        return taken

    def _sync(self) -> None:
        if not self._is_file:
            return
        begin = perf_counter()
        os.fdatasync(self._descriptor)
        self._observer.synced(perf_counter() - begin)


def is_file(descriptor: int) -> bool:
    """Return whether a descriptor can be read back: a device or a pipe never ends."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
