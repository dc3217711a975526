"""Files as users name them: each that cannot be read is named in the same words, and none is read beyond its bound."""

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from webhook.files import STDIN, Form, UnreadableFileError, is_readable, read_file, read_from, read_stdin

FORM: Final = Form("a poem", 2048)


def folder(path: Path) -> None:
    """A folder where a file is expected."""
    path.mkdir()


def circle(path: Path) -> None:
    """A symbolic link to itself."""
    path.symlink_to(path)


def dangling(path: Path) -> None:
    """A symbolic link to nothing."""
    path.symlink_to(path.with_name("gone"))


def larger(path: Path) -> None:
    """One byte more than the bound."""
    path.write_bytes(b"x" * (FORM.most + 1))


def sparse(path: Path) -> None:
    """Two GiB that take no room on the disk, and are not read."""
    with path.open("wb") as file:
        file.truncate(2 << 30)


def nothing(path: Path) -> None:
    """No file at all."""


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (nothing, "no such file; expected a poem"),
        (dangling, "no such file; expected a poem"),
        (folder, "this is a folder; expected a poem"),
        (circle, "its symbolic links form a loop; expected a poem"),
        (larger, "the file is larger than 2 KiB, which is the limit for a poem"),
        (sparse, "the file is larger than 2 KiB, which is the limit for a poem"),
    ],
)
@pytest.mark.parametrize("read", [read_file, is_readable])
def test_what_cannot_be_read_is_named(
    tmp_path: Path, make: Callable[[Path], None], what: str, read: Callable[[Path, Form], object]
) -> None:
    """The path, what is wrong, what was expected."""
    path = tmp_path / "poem"
    make(path)
    with pytest.raises(UnreadableFileError) as bad:
        read(path, FORM)
    assert str(bad.value) == f"{path}: {what}"


def test_a_file_of_just_the_bound_is_read(tmp_path: Path) -> None:
    """The bound is the most that is allowed."""
    (tmp_path / "poem").write_bytes(b"x" * FORM.most)
    assert read_file(tmp_path / "poem", FORM) == b"x" * FORM.most


def test_a_file_below_a_file_says_so(tmp_path: Path) -> None:
    """The words of the system, `not a directory`, would be about the wrong one."""
    (tmp_path / "a").write_text("x", encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="a part of this path is a file instead of a folder"):
        read_file(tmp_path / "a" / "b", FORM)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_of_another_user_says_so(tmp_path: Path) -> None:
    """With the same words in every verb."""
    (tmp_path / "a").write_text("x", encoding="utf-8")
    (tmp_path / "a").chmod(0)
    with pytest.raises(UnreadableFileError, match="permission denied for this user; expected a poem"):
        read_file(tmp_path / "a", FORM)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_without_an_end_is_read_to_the_bound(device: str) -> None:
    """And no further."""
    if not Path(device).exists():
        pytest.skip(f"no {device}")
    with pytest.raises(UnreadableFileError, match=f"^{device}: the file is larger than 2 KiB"):
        read_file(device, FORM)


class Endless(io.RawIOBase):
    """A stream without an end, which counts what is taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        """Fill the whole buffer."""
        self.taken += len(buffer)
        return len(buffer)


def test_of_an_endless_stream_little_more_than_the_bound_is_taken() -> None:
    """So memory is bounded by the form, whatever a pipe brings."""
    stream = Endless()
    with pytest.raises(UnreadableFileError, match=r"^-: the file is larger than 2 KiB"):
        read_from(io.BufferedReader(stream), STDIN, FORM)
    assert stream.taken <= FORM.most + 1 + io.DEFAULT_BUFFER_SIZE


def test_a_closed_standard_input_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has no object for it then."""
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UnreadableFileError, match=r"^-: standard input is closed; expected a poem$"):
        read_stdin(FORM)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ESTALE])
def test_another_error_has_the_words_of_the_system(
    number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A disk that fails, too many open files, a share that is gone."""

    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(UnreadableFileError, match=f"poem: {os.strerror(number).lower()}; expected a poem"):
        read_file(tmp_path / "poem", FORM)
