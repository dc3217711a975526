"""Read files that a user names, up to a size limit, and replace them.

Each message names the file, what is wrong with it and what was expected, in the same words for every verb and every
form.
"""

import errno
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from os import PathLike
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO, Final, NamedTuple

STDIN: Final = "-"
MIB: Final = 1 << 20
LONGEST_PREFIX: Final = (
    50  # characters of a file's name in that of a temporary file; a name has 255 bytes, and a character up to 4
)
# The fault for the number of the operating system's error; other numbers keep the system's own words.
REASONS: Final = {
    errno.ENOENT: "no such file",
    errno.EISDIR: "this is a folder",
    errno.ENOTDIR: "a part of this path is a file instead of a folder",
    errno.EACCES: "permission denied for this user",
    errno.EPERM: "permission denied for this user",
    errno.ELOOP: "its symbolic links form a loop",
    errno.ENAMETOOLONG: "the path is too long",
    errno.EEXIST: "it exists already, and catflap does not overwrite it",
    errno.EROFS: "the file system is read-only",
    errno.ENXIO: "this is a socket",
}
# Where a command takes manifests.
MANIFEST_FILES: Final = "manifests: a file, a folder or - for standard input"
# A read from a descriptor that is not open gives this number.
CLOSED: Final = {errno.EBADF: "standard input is closed"}


class Form(NamedTuple):
    """The expected form of a file: its noun in a message, and the most bytes that are read."""

    noun: str
    most: int


# A certificate has 2 KiB, a bundle of 150 public root certificates about 250 KiB.
CA_BUNDLE: Final = Form("a CA certificate in PEM", MIB)


class UnreadableFileError(Exception):
    """A file cannot be read, or is larger than its form permits; the message names the file and what was expected."""


def read_file(path: str | PathLike[str], form: Form) -> bytes:
    """Return the content of a file.

    A named pipe is read to its end, which waits for a writer as `cat` does.  Raises UnreadableFileError.
    """
    try:
        with Path(path).open("rb") as file:
            return read_from(file, shown(path), form)
    except OSError as bad:
        raise UnreadableFileError(sentence(shown(path), reason(bad), form.noun)) from None


def replace_file(path: str | PathLike[str], content: bytes) -> None:
    """Replace the content of a regular file as a whole: a reader finds either the content before or the new content.

    A symbolic link stays, and the file that it leads to is replaced. The file keeps its mode, and its owner if this user
    may set the owner. Raises OSError; then the file is unchanged.
    """
    real = Path(os.path.realpath(path, strict=True))
    status = real.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "this is not a regular file")
    if not os.access(real, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    descriptor, name = mkstemp(prefix=f".{real.name[:LONGEST_PREFIX]}.", dir=real.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
            with suppress(PermissionError):
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))  # after fchown, which clears bits of the mode
        new.replace(real)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def is_readable(path: str | PathLike[str], form: Form) -> None:
    """Check that a file which another library opens by name exists and is not larger than its form permits.

    The check does not open a pipe, as the pipe's writer would lose its reader.  Raises UnreadableFileError.
    """
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):  # noqa: PTH116 (a path of pathlib loses a slash at its end)
            return
        with Path(path).open("rb") as file:
            if is_larger(file, form.most):
                raise too_large(shown(path), form)
    except OSError as bad:
        raise UnreadableFileError(sentence(shown(path), reason(bad), form.noun)) from None


def unreadable(paths: Iterable[str | PathLike[str]], expected: str, *, or_folder: bool = False) -> list[str]:
    """Return a message for each path that cannot be opened; readers that open them in turn would report the first only.

    A pipe or a device is opened only by its reader, as a pipe would block, and its writer would lose its reader.
    """
    found = []
    for path in paths:
        try:
            mode = stat.S_IFIFO if os.fspath(path) == STDIN else os.stat(path).st_mode  # noqa: PTH116 (as above)
            if stat.S_ISREG(mode) or (stat.S_ISDIR(mode) and not or_folder):
                with Path(path).open("rb"):
                    pass
        except OSError as bad:
            found.append(sentence(shown(path), reason(bad), expected))
    return found


def read_stdin(form: Form) -> bytes:
    """Return the content of standard input.  Raises UnreadableFileError."""
    try:
        return read_from(stdin(), STDIN, form)
    except OSError as bad:
        raise UnreadableFileError(sentence(STDIN, CLOSED.get(bad.errno or 0, reason(bad)), form.noun)) from None


def stdin() -> BinaryIO:
    """Return standard input.  Raises OSError if the caller closed it: Python then has no object for the stream."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return sys.stdin.buffer


def read_from(file: BinaryIO, name: str, form: Form) -> bytes:
    """Return the content of an open file; one byte above the limit refuses it.  Raises OSError, UnreadableFileError."""
    if is_larger(file, form.most) or len(content := file.read(form.most + 1)) > form.most:
        raise too_large(name, form)
    return content


def too_large(name: str, form: Form) -> UnreadableFileError:
    """Return the error for a file that is larger than its form permits."""
    return UnreadableFileError(
        f"{name}: the file is larger than {size_in_words(form.most)}, which is the limit for {form.noun}"
    )


def is_larger(file: BinaryIO, most: int) -> bool:
    """Return whether the size of a regular file is above the limit, so that no read is necessary."""
    try:
        status = os.fstat(file.fileno())
    except OSError:  # a file in memory has no descriptor
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > most


def size_in_words(size: int) -> str:
    """Return a number of bytes in the largest unit that divides it."""
    return f"{size // MIB} MiB" if size % MIB == 0 else f"{size // 1024} KiB" if size % 1024 == 0 else f"{size:,} bytes"


def reason(bad: OSError) -> str:
    """Return why a file cannot be opened, read or written."""
    return REASONS.get(bad.errno or 0) or (bad.strerror or str(bad)).lower()


def unwritable(path: str | PathLike[str], bad: OSError) -> str:
    """Return the message about a file that cannot be written."""
    if bad.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
        return f"{shown(path)}: {reason(bad)}; the file was not written"
    why = "its folder does not exist" if bad.errno == errno.ENOENT else reason(bad)
    return f"{shown(path)}: {why}; choose a file that this user may write"


def sentence(name: str, what: str, expected: str) -> str:
    """Return the message about a file that cannot be read."""
    return f"{name}: {what}; expected {expected}"


def shown(path: str | PathLike[str]) -> str:
    """Return a path as printable text, whatever bytes it has; an empty path becomes quotes, so that it is visible."""
    return os.fsencode(path).decode("utf-8", "replace") or '""'
