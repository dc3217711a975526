"""The files of a log: the current file, and the files that were put aside under the time of their renaming."""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Final

import msgspec

# The same width at every time, so that the order of names is the order of files.
ROTATION_TIME_FORMAT: Final = "%Y%m%dT%H%M%S.%fZ"
SAMPLE_TIME: Final = "20260131T120000.000000Z"
SUFFIX: Final = re.compile(r"\.\d{8}T\d{6}\.\d{6}Z")
LONGEST_FIRST_RECORD: Final = 1 << 16
# The holder of the lock looks at the end of the file and writes one record, which takes some 20 ms at most.
LOCK_SECONDS: Final = 0.25
PAUSE_SECONDS: Final = 0.002


class RecordTime(msgspec.Struct):
    """The time of a record."""

    time: datetime


# Made once, at import: msgspec 0.20 crashes if two threads prepare one type at the same time.
TIME_DECODER = msgspec.json.Decoder(RecordTime)


def rotate(path: str, descriptor: int, at: datetime) -> None:
    """Rename the file that is open under `descriptor`, unless another process did so.  Raises OSError.

    A process that still writes to the file continues under the new name until its next look: no line is lost.
    """
    with lock(descriptor) as is_held:
        if not is_held:
            raise OSError(
                errno.EAGAIN,
                f"{path} cannot be locked: the file system has no locks, or another process holds the lock",
            )
        if has_path(path, descriptor):
            Path(path).rename(rotated_name(path, at.astimezone(UTC)))


def rotated_name(path: str, at: datetime) -> str:
    """Return a name that sorts after all others, even if the clock was put back."""
    if old := rotated_files(path):
        last = datetime.strptime(old[-1].name[-len(SAMPLE_TIME) :], ROTATION_TIME_FORMAT).replace(tzinfo=UTC)
        at = max(at, last + timedelta(microseconds=1))
    return f"{path}.{at.strftime(ROTATION_TIME_FORMAT)}"


def has_path(path: str, descriptor: int) -> bool:
    """Return whether the open file still has its name."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))  # noqa: PTH116 (as it was opened)
    except FileNotFoundError:
        return False


def rotated_files(path: str) -> list[Path]:
    """Return the files of a log that were put aside, the oldest first."""
    whole = Path(path)
    return sorted(
        one
        for one in whole.parent.glob(f"{escape_pattern(whole.name)}.*")
        if SUFFIX.fullmatch(one.name[len(whole.name) :])
    )


def escape_pattern(name: str) -> str:
    """Return a pattern that matches only this name."""
    return re.sub(r"([*?[])", r"[\1]", name)


def delete_oldest(path: str, *, keep: int) -> None:
    """Remove the oldest files, and keep `keep` of them.  Raises OSError."""
    for old in rotated_files(path)[: -keep or None]:
        old.unlink(missing_ok=True)


def first_record_time(path: str) -> datetime | None:
    """Return when a file's first record was written."""
    with open(path, "rb") as file, suppress(msgspec.MsgspecError):  # noqa: PTH123 (as it was opened for writing)
        return TIME_DECODER.decode(file.readline(LONGEST_FIRST_RECORD)).time
    return None


def sync_folder(path: str) -> None:
    """Bring a file's name to the disk.  Raises OSError."""
    descriptor = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def lock(descriptor: int) -> Iterator[bool]:
    """Lock out processes that would put this file aside or begin a chain in it; yield whether that succeeded.

    A process that is suspended while it holds the lock must not block the others.  A descriptor that is closed in the
    meantime has no lock any more.
    """
    is_held = try_lock(descriptor)
    state = os.fstat(descriptor)
    try:
        yield is_held
    finally:
        with suppress(OSError):  # the descriptor was closed
            if is_held and os.path.samestat(os.fstat(descriptor), state):
                fcntl.flock(descriptor, fcntl.LOCK_UN)


def try_lock(descriptor: int) -> bool:
    """Lock an open file within the time that a request waits for a lock; return whether that succeeded."""
    until = monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() >= until:
                return False
            sleep(PAUSE_SECONDS)
        except OSError:
            return False
        else:
            return True
