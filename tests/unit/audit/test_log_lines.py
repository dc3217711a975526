"""Test that logs are read as lines from any kind of file."""

import gzip
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.audit.logs import write_two_chains
from webhook.audit.log_lines import PROGRESS_INTERVAL, LogLine, UnreadableLogError, read_lines, read_records, total_size


def test_lines_come_file_by_file_with_their_numbers(tmp_path: Path) -> None:
    """The content, not the name, shows the compression; a last line without an end is marked."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(gzip.compress(b"1\n2\n"))
    second.write_bytes(b"\n3")
    assert list(read_lines([str(first), str(second)])) == [
        LogLine(str(first), 1, b"1"),
        LogLine(str(first), 2, b"2"),
        LogLine(str(second), 1, b""),
        LogLine(str(second), 2, b"3", has_line_end=False),
    ]


def test_progress_is_reported_in_bytes(tmp_path: Path) -> None:
    """The progress is in bytes of the files, as a bar needs it."""
    told: list[int] = []
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[0].write_bytes(b"line\n" * (PROGRESS_INTERVAL + 1))
    paths[1].write_bytes(gzip.compress(b"line\n" * 10))
    list(read_lines(map(str, paths), told.append))
    assert told == sorted(told)
    assert len(told) == 3
    assert told[-1] == total_size([*map(str, paths), "-"]) == sum(path.stat().st_size for path in paths)


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "nothing there": lambda path: path,
    "a folder": lambda path: path.mkdir(),
    "half of a compressed file": lambda path: path.write_bytes(gzip.compress(b"line\n" * 1000)[:-20]),
    "compressed garbage": lambda path: path.write_bytes(gzip.compress(b"line\n")[:10] + b"garbage, no doubt"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_incompletely_readable_file_is_named(tmp_path: Path, what: str) -> None:
    """A part is never accepted as the whole."""
    path = tmp_path / "log"
    UNREADABLE[what](path)
    with pytest.raises(UnreadableLogError, match=str(path)):
        list(read_lines([str(path)]))


@pytest.mark.parametrize("more", [1, 10, 11, 25, 100])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_is_too_long_is_shortened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: int, end: bytes
) -> None:
    """The line keeps its beginning and its end. The next lines are read as usual, and memory does not grow."""
    monkeypatch.setattr("webhook.audit.log_lines.LONGEST_LINE", 10)
    monkeypatch.setattr("webhook.audit.log_lines.KEPT_BYTES", 4)
    path, after = tmp_path / "log", b"next\n" if end else b""
    path.write_bytes(b"123456789\n" + b"abcde" + b"-" * more + b"vwxyz" + end + after)
    first, long, *rest = read_lines([str(path)])
    assert (first.text, first.is_too_long) == (b"123456789", False)
    assert (long.number, long.size, long.has_line_end) == (2, 10 + more + len(end), bool(end))
    assert long.is_too_long
    assert (long.text[:4], long.text[-3:]) == (b"abcd", b"xyz")
    assert [line.text for line in rest] == [b"next"] * bool(end)


def test_a_line_without_end_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read holds a few times the longest line, whatever the actual length."""
    longest = 1 << 17
    monkeypatch.setattr("webhook.audit.log_lines.LONGEST_LINE", longest)
    path = tmp_path / "log"
    path.touch()
    os.truncate(path, 100 * longest)
    tracemalloc.start()
    try:
        [line] = read_lines([str(path)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert line.size == 100 * longest
    assert peak < 8 * longest


def test_only_records_that_match_their_hashes_are_read(tmp_path: Path) -> None:
    """Half lines and edited lines are skipped; only `audit verify` reports them."""
    path = tmp_path / "log"
    lines = write_two_chains(path)
    path.write_bytes(b"".join([*lines[:2], b"{half\n", lines[3].replace(b"created", b"creates"), *lines[4:]]))
    found = ["start", "write", "stop", "start", "write", "stop"]
    assert [record["type"] for record in read_records([str(path)])] == found
