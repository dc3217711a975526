"""Where records go: one line each, whole or refused."""

import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from webhook import __version__
from webhook.audit.sink import AuditLog, AuditLogUnwritable

Write = Callable[[int, bytes], int]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log is to be."""
    return tmp_path / "audit.log"


def lines(path: Path) -> list[Any]:
    """Each line of a log that is a whole record; a torn one is its text."""
    found: list[Any] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            found.append(line)
    return found


def test_a_record_is_one_line(path: Path) -> None:
    """With the release that wrote it."""
    log = AuditLog(str(path))
    log.append({"a": "x\ny", "b": ["ü", None]})
    log.append({"a": 2})
    assert path.read_bytes().count(b"\n") == 2
    assert path.read_bytes().endswith(b"\n")
    assert lines(path) == [{"a": "x\ny", "b": ["ü", None], "catflap": __version__}, {"a": 2, "catflap": __version__}]


def test_a_log_is_continued(path: Path) -> None:
    """A restart loses nothing."""
    AuditLog(str(path)).append({"a": 1})
    AuditLog(str(path)).append({"a": 2})
    assert [line["a"] for line in lines(path)] == [1, 2]


def test_a_log_is_for_its_owner_only(path: Path) -> None:
    """It names people."""
    AuditLog(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    """Not at the first decision."""
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        AuditLog(str(tmp_path / "no" / "audit.log"))


def test_without_a_file_records_go_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """Where a container's log is collected."""
    AuditLog(None).append({"a": 1})
    assert json.loads(capfd.readouterr().out) == {"a": 1, "catflap": __version__}


def test_records_of_many_threads_do_not_mix(path: Path) -> None:
    """Each line is whole."""
    log = AuditLog(str(path))

    def write(name: str) -> None:
        for _ in range(50):
            log.append({"a": name * 500})

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(line["a"][0] for line in lines(path)) == sorted("abcd" * 50)
    assert all(line["a"] == line["a"][0] * 500 for line in lines(path))


def test_two_logs_on_one_file_do_not_mix(path: Path) -> None:
    """Every process appends at the end."""
    first, second = AuditLog(str(path)), AuditLog(str(path))
    for number in range(20):
        (first, second)[number % 2].append({"a": number})
    assert [line["a"] for line in lines(path)] == list(range(20))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the device of full disks, on this system")
def test_a_full_disk_is_an_error() -> None:
    """The decision must not leave."""
    with pytest.raises(AuditLogUnwritable, match=os.strerror(errno.ENOSPC)):
        AuditLog("/dev/full").append({"a": 1})


class TestShortWrites:
    """A disk that takes only a part, as one does that is just filling up."""

    @staticmethod
    def take(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        """Have the operating system take only so many bytes of the next line."""
        whole: Write = os.write

        def write(descriptor: int, line: bytes) -> int:
            monkeypatch.setattr("webhook.audit.sink.os.write", whole)
            return whole(descriptor, line[:count])

        monkeypatch.setattr("webhook.audit.sink.os.write", write)

    @pytest.mark.parametrize("count", [0, 1, 10])
    def test_a_part_is_not_enough(self, path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        """The record counts as not written."""
        log = AuditLog(str(path))
        self.take(monkeypatch, count)
        with pytest.raises(AuditLogUnwritable, match=rf"^{count} of \d+ bytes were taken$"):
            log.append({"a": 1})

    @pytest.mark.parametrize("count", [1, 10])
    def test_the_next_record_stands_on_its_own(self, path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        """The torn line is ended, and hides nothing that follows."""
        log = AuditLog(str(path))
        log.append({"a": 1})
        self.take(monkeypatch, count)
        with pytest.raises(AuditLogUnwritable):
            log.append({"a": 2})
        log.append({"a": 3})
        log.append({"a": 4})
        first, torn, *rest = lines(path)
        assert first["a"] == 1
        assert len(torn) == count
        assert [line["a"] for line in rest] == [3, 4]

    def test_a_line_end_alone_does_not_mend_it(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Torn again right behind the end of the torn line."""
        log = AuditLog(str(path))
        for count in (5, 1):
            self.take(monkeypatch, count)
            with pytest.raises(AuditLogUnwritable):
                log.append({"a": 1})
        log.append({"a": 2})
        assert lines(path)[-1]["a"] == 2
