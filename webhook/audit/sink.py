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

from webhook.audit.chain import Fragment, Link, fragment_of
from webhook.audit.group_commit import GroupCommit
from webhook.audit.log_config import NO_OBSERVER, LogObserver, Rotation
from webhook.audit.log_tail import LogTail, read_tail
from webhook.audit.peer_attestation import PeerChainReader
from webhook.audit.record import utc_now
from webhook.audit.rotation import delete_oldest, first_record_time, has_path, lock, rotate, rotated_files, sync_folder

logger = logging.getLogger(__name__)

STDOUT: Final = 1
OPEN_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
NO_ROTATION: Final = Rotation()
# A pipe with any room takes this many bytes without blocking.
PIPE_WRITE_SIZE: Final = select.PIPE_BUF
# The sink waits this long once for a busy reader, and every request waits with it.
READER_TIMEOUT_SECONDS: Final = 0.25


class AuditLogUnwritable(Exception):  # noqa: N818 (a state of the disk)
    """A record could not be written completely, so its decision must not leave."""


class Sink:
    """Appends lines to a file, or to standard output if there is no path.

    Each line is one `write` on a descriptor that is open for append, so lines of several processes do not mix.  `last`
    is the last record in the file when it was opened.  `partial_writes` has the half lines that the next record has to list; the
    writer of that record removes them from `partial_writes`.  The sink waits once for a pipe without a reader: for `reader_timeout`
    seconds, or for ever if `reader_timeout` is None.
    """

    def __init__(
        self,
        path: str | None,
        *,
        rotation: Rotation = NO_ROTATION,
        synced: bool = False,
        reader_timeout: float | None = READER_TIMEOUT_SECONDS,
        observer: LogObserver = NO_OBSERVER,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.last: Link | None = None
        self.partial_writes: list[Fragment] = []
        self.peer_reader: PeerChainReader | None = (
            None  # reads the records of the other processes that write to the file
        )
        self._path = path
        self._rotation = rotation
        self._synced = synced
        self._reader_timeout = reader_timeout
        self._observer = observer
        self._now = now
        self._commit = GroupCommit(self._sync)
        self._reader_is_slow = False
        self._rotation_failed = False
        self._first_record_time: datetime | None = None  # when the file's first record was written
        if path is None:
            self._use_descriptor(STDOUT, LogTail())
        else:
            self._open(path)

    def _open(self, path: str) -> None:
        descriptor = os.open(path, OPEN_FLAGS, 0o600)
        try:
            readable = is_file(descriptor)
            tail, first_record_at = (read_tail(path), first_record_time(path)) if readable else (LogTail(), None)
        except BaseException:
            os.close(descriptor)
            raise
        self._use_descriptor(descriptor, tail)
        self._first_record_time = first_record_at
        if readable:
            self.peer_reader = self.peer_reader or PeerChainReader()
            self.peer_reader.follow(path, descriptor)

    def _use_descriptor(self, descriptor: int, tail: LogTail) -> None:
        kind = os.fstat(descriptor).st_mode
        self._is_file = stat.S_ISREG(kind)
        self._is_pipe = stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)
        self._descriptor = descriptor
        self._may_rotate = self._is_file and self._path is not None
        self.last, self._needs_line_end = tail.last, tail.needs_line_end
        self.partial_writes += tail.partial_writes

    @property
    def written(self) -> int:
        """Return how many lines were written, which is the number of the last one."""
        return self._commit.written

    def write(self, line: bytes) -> None:
        """Write one line; raises AuditLogUnwritable if the operating system takes only a part."""
        if self._may_rotate:
            self._ensure_room(len(line))
        data = b"\n" + line if self._needs_line_end else line
        try:
            written_bytes = self._write_in_pieces(data) if self._is_pipe else os.write(self._descriptor, data)
        except OSError as bad:
            raise AuditLogUnwritable(str(bad)) from bad
        if written_bytes == len(data):
            self._needs_line_end = False
            self._commit.written += 1
            return
        part = data[:written_bytes].removeprefix(b"\n")
        if len(part) == len(line) - 1:  # the record is complete, only its line end is missing
            self._needs_line_end = True
            self.partial_writes.append(fragment_of(b""))
            self._commit.written += 1
            return
        self._needs_line_end = bool(part) or (self._needs_line_end and not written_bytes)
        if part:
            self.partial_writes.append(fragment_of(part))
        raise AuditLogUnwritable(f"{written_bytes} of {len(data)} bytes were written")

    def wait_for_sync(self, line: int) -> None:
        """Return when the line with this number is on the disk; raises AuditLogUnwritable if the sync failed."""
        try:
            self._commit.wait_for_sync(line)
        except OSError as bad:
            raise AuditLogUnwritable(f"the disk did not store it: {bad}") from bad

    def poll(self) -> None:
        """Put the file aside when it is due, and follow if another process did so."""
        if self._path is None or not self._is_file:
            return
        self._rotation_failed = False
        size, age = os.fstat(self._descriptor).st_size, self._rotation.age
        if size and self._first_record_time is None:
            self._first_record_time = self._now()
        too_old = (
            age is not None and self._first_record_time is not None and self._now() - self._first_record_time >= age
        )
        if not has_path(self._path, self._descriptor) or (too_old and not self._needs_line_end):
            self._rotate()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes from beginning a chain in this file, and from putting it aside.

        This has no effect if the file cannot be locked soon, because its file system has no locks or a suspended
        process holds the lock.
        """
        self.poll()
        with lock(self._descriptor) if self._may_rotate else nullcontext():
            yield

    def last_rotated_record(self) -> Link | None:
        """Return the last record of the newest file that was put aside, or None if no such file is readable."""
        with suppress(OSError):
            if self._path is not None and (files := rotated_files(self._path)):
                return read_tail(str(files[-1])).last
        return None

    def close(self) -> None:
        """Close the file; nothing is written after that."""
        if self._synced:
            with suppress(OSError):  # each waiting thread gets the error
                self._commit.wait_for_sync(self._commit.written)
        if self.peer_reader is not None:
            self.peer_reader.close()
        if self._descriptor != STDOUT:
            os.close(self._descriptor)

    def _ensure_room(self, size: int) -> None:
        """Begin another file if this one was deleted or has no room for `size` more bytes.

        The check runs for every line, because other processes write to the file too. It takes half a microsecond.
        Raises AuditLogUnwritable.
        """
        state, most = os.fstat(self._descriptor), self._rotation.size
        if state.st_nlink:
            if (
                most
                and state.st_size
                and state.st_size + size > most
                and not (self._needs_line_end or self._rotation_failed)
            ):
                self._rotate()
            return
        if not self._rotation_failed:
            logger.error("the audit log %s was deleted with its records; catflap starts a new file", self._path)
            self._observer.failed()
            self._rotate()
        if self._rotation_failed:
            raise AuditLogUnwritable(f"{self._path} was deleted, and catflap cannot create it again")

    def _rotate(self) -> None:
        """Begin a new file; after a failure the old one stays, and the next look tries again."""
        assert self._path is not None
        old, rotation = self._descriptor, self._rotation
        try:
            if self._synced:
                with suppress(OSError):  # each waiting thread gets the error
                    self._commit.wait_for_sync(self._commit.written)
            rotate(self._path, old, self._now())
            self._open(self._path)
            os.close(old)
            if self._synced:
                sync_folder(self._path)
            if rotation.keep is not None:
                delete_oldest(self._path, keep=rotation.keep)
        except OSError as bad:
            self._rotation_failed = True  # no line tries it again before the next look
            logger.error("cannot rotate the files of the audit log: %s", bad)  # noqa: TRY400 (it says where)

    def _write_in_pieces(self, data: bytes) -> int:
        """Write to a pipe what it takes in the permitted time; return the number of bytes."""
        poll, written_bytes = select.poll(), 0
        poll.register(self._descriptor, select.POLLOUT)
        timeout = self._reader_timeout and 1000 * (0 if self._reader_is_slow else self._reader_timeout)
        while written_bytes < len(data):
            if not poll.poll(timeout):
                self._reader_is_slow = True
                break
            try:
                written_bytes += os.write(self._descriptor, data[written_bytes : written_bytes + PIPE_WRITE_SIZE])
            except OSError:
                if written_bytes:
                    break
                raise
        else:
            self._reader_is_slow = False
        return written_bytes

    def _sync(self) -> None:
        if not self._is_file:
            return
        begin = perf_counter()
        os.fdatasync(self._descriptor)
        self._observer.synced(perf_counter() - begin)


def is_file(descriptor: int) -> bool:
    """Return whether a descriptor can be read back: a device or a pipe never ends."""
    return stat.S_ISREG(os.fstat(descriptor).st_mode)
