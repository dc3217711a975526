"""Test that lines are written whole or refused, and what a half line leaves."""

import errno
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from webhook.audit.chain import Fragment, Link, fragment_of, seal
from webhook.audit.log_tail import WINDOW
from webhook.audit.sink import AuditLogUnwritable, Sink

Write = Callable[[int, bytes], int]
LINE = b'{"a":1}\n'
NAME = "0" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a future log."""
    return tmp_path / "lines"


def test_a_log_is_for_its_owner_only(path: Path) -> None:
    """The log has the names of people."""
    Sink(str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    """The error does not wait for the first decision."""
    with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
        Sink(str(tmp_path / "no" / "audit.log"))


def test_sink_without_a_path_writes_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """A container's log is collected there."""
    Sink(None).write(LINE)
    assert capfd.readouterr().out.encode() == LINE


def test_lines_of_many_threads_and_logs_do_not_mix(path: Path) -> None:
    """Each line is whole."""

    def write(name: str) -> None:
        sink = Sink(str(path))
        for _ in range(50):
            sink.write(name.encode() * 500 + b"\n")

    writers = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(path.read_text("ascii").splitlines()) == sorted(name * 500 for name in "abcd" for _ in range(50))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full, the device of full disks, on this system")
def test_a_full_disk_is_an_error() -> None:
    """The decision must not leave."""
    with pytest.raises(AuditLogUnwritable, match=os.strerror(errno.ENOSPC)):
        Sink("/dev/full").write(LINE)


class TestShortWrites:
    """A disk that takes only a part, such as a disk that is almost full."""

    @staticmethod
    def take(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        """Limit how many bytes the operating system takes of the next line."""
        whole: Write = os.write

        def write(descriptor: int, line: bytes) -> int:
            monkeypatch.setattr("webhook.audit.sink.os.write", whole)
            return whole(descriptor, line[:count])

        monkeypatch.setattr("webhook.audit.sink.os.write", write)

    def refuse(self, sink: Sink, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        """Write a line of which `count` bytes are taken."""
        self.take(monkeypatch, count)
        with pytest.raises(AuditLogUnwritable, match=rf"^{count} of \d+ bytes were written$"):
            sink.write(LINE)

    @pytest.mark.parametrize("count", [0, 1, 6])
    def test_line_after_a_partial_write_is_complete(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, count: int
    ) -> None:
        """The half line gets a line end, hides nothing after it, and stays in `torn` until a record follows."""
        sink = Sink(str(path))
        sink.write(LINE)
        self.refuse(sink, monkeypatch, count)
        assert sink.partial_writes == ([fragment_of(LINE[:count])] if count else [])
        sink.write(LINE)
        sink.write(LINE)
        torn = LINE[:count] + b"\n" if count else b""
        assert path.read_bytes() == LINE + torn + LINE + LINE

    def test_missing_line_end_lists_no_partial_write(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second tear is directly after the line end of the half line."""
        sink = Sink(str(path))
        for count in (5, 1, 0, 3):
            self.refuse(sink, monkeypatch, count)
        assert sink.partial_writes == [fragment_of(LINE[:5]), fragment_of(LINE[:3])]
        sink.write(LINE)
        assert path.read_bytes() == LINE[:5] + b"\n" + LINE[:3] + b"\n" + LINE

    def test_a_line_that_lacks_its_end_alone_is_written(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The record is complete, so its number in the chain must not be used twice."""
        sink = Sink(str(path))
        self.take(monkeypatch, len(LINE) - 1)
        sink.write(LINE)
        assert sink.partial_writes == [Fragment(0, fragment_of(b"").sha256)]
        sink.write(LINE)
        assert path.read_bytes() == LINE + LINE


def make_record(seq: int, **more: object) -> bytes:
    """Return the line of a record."""
    return seal({"catflap": "0", "chain": NAME, "seq": seq, **more})[0]


class TestOpening:
    """A sink finds what an earlier writer left in the file."""

    @pytest.mark.parametrize(
        ("stands", "last", "torn"),
        [
            pytest.param(b"", None, [], id="nothing"),
            pytest.param(b'{"a":1}\n', None, [], id="lines of another kind"),
            pytest.param(make_record(1) + make_record(2), 2, [], id="whole lines"),
            pytest.param(make_record(1) + make_record(2)[:-1], 2, [b""], id="a line end is missing"),
            pytest.param(make_record(1) + make_record(2)[:-2], 1, [make_record(2)[:-2]], id="half a line"),
            pytest.param(
                make_record(1) + b"\n" + make_record(2)[:40],
                1,
                [make_record(2)[:40]],
                id="an empty line and half a line",
            ),
            pytest.param(
                make_record(1) + b"{\n" + make_record(2)[:4], 1, [b"{", make_record(2)[:4]], id="several half lines"
            ),
            pytest.param(
                make_record(1) + make_record(2)[:40] + make_record(3), 3, [], id="a record behind half a line"
            ),
            pytest.param(
                make_record(1)[:-1] + make_record(2)[:40], 1, [make_record(2)[:40]], id="half a line behind a record"
            ),
            pytest.param(make_record(1) + b'"' + b"x" * WINDOW + b'"\n', 1, [], id="a record further up"),
            pytest.param(make_record(1) + make_record(2, long="x" * WINDOW), 2, [], id="a long record"),
            pytest.param(make_record(1)[:40], None, [make_record(1)[:40]], id="half a line alone"),
            pytest.param(make_record(1) + make_record(2).replace(b"2", b"3", 1), 1, [], id="an edited line"),
            pytest.param(make_record(1) + seal({"a": 1})[0], 1, [], id="a line with a hash that is no record"),
        ],
    )
    def test_last_record_and_partial_writes_are_found(
        self, path: Path, stands: bytes, last: int | None, torn: list[bytes]
    ) -> None:
        """The length of the line makes no difference; no record lists what is no half line."""
        path.write_bytes(stands)
        sink = Sink(str(path))
        assert (None if sink.last is None else sink.last.seq) == last
        assert sink.partial_writes == [*map(fragment_of, torn)]
        sink.write(LINE)
        unended = bool(stands) and not stands.endswith(b"\n")
        assert path.read_bytes() == stands + (b"\n" if unended else b"") + LINE

    def test_last_record_is_complete(self, path: Path) -> None:
        """The new chain refers to the record by its hash."""
        line, digest = seal({"chain": NAME, "seq": 7})
        path.write_bytes(line)
        assert Sink(str(path)).last == Link(NAME, 7, digest)

    def test_device_or_pipe_is_not_read(self) -> None:
        """A device or a pipe never ends."""
        assert Sink("/dev/null").last is None
