"""Test when and by which process files are put aside, which are kept, and that no line is lost."""

import fcntl
import json
import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.audit_logs import verified
from webhook.audit.chain import seal
from webhook.audit.keeping import Keeping, Observer, Rotation
from webhook.audit.log import AuditLog
from webhook.audit.record import stamp
from webhook.audit.rotation import aside, discard, put_aside
from webhook.audit.sink import AuditLogUnwritable, Sink

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
LINE = b"x" * 99 + b"\n"
RECORD = {"type": "write", "time": stamp(AT)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a log."""
    return tmp_path / "audit[1].log"


def sink(path: Path, at: datetime = AT, **rotation: Any) -> Sink:
    """Return a sink with a fixed time."""
    return Sink(str(path), rotation=Rotation(**rotation), now=lambda: at)


def test_a_file_is_put_aside_before_it_grows_too_large(path: Path) -> None:
    """Each file has whole lines, and the order of names is the order of files, though the time is fixed."""
    written = sink(path, size=250)
    for number in range(5):
        written.write(b"%d" % number + LINE)
    old = aside(str(path))
    assert [one.name for one in old] == [f"audit[1].log.20260131T120000.00000{number}Z" for number in range(len(old))]
    assert [one.read_bytes()[0:1] + one.read_bytes()[101:102] for one in (*old, path)] == [b"01", b"23", b"4"]


def test_a_line_larger_than_a_file_may_be_has_one_alone(path: Path) -> None:
    """An empty file is not put aside."""
    written = sink(path, size=10)
    written.write(LINE)
    written.write(LINE)
    assert [one.read_bytes() for one in (*aside(str(path)), path)] == [LINE, LINE]


@pytest.mark.parametrize(("older", "files"), [(timedelta(hours=1), 2), (timedelta(minutes=59), 1)])
def test_a_file_is_put_aside_by_the_age_of_its_first_record(path: Path, older: timedelta, files: int) -> None:
    """This also holds for a process that has just begun."""
    path.write_bytes(seal({"time": stamp(AT - older)})[0])
    sink(path, age=timedelta(hours=1)).look()
    assert len([*aside(str(path)), path]) == files


def test_a_file_that_began_under_our_eyes_ages_from_then_on(path: Path) -> None:
    """An empty file does not age."""
    now = [AT]
    written = Sink(str(path), rotation=Rotation(age=timedelta(hours=1)), now=lambda: now[0])
    now[0] += timedelta(hours=2)
    written.look()
    written.write(LINE)
    written.look()
    assert aside(str(path)) == []
    now[0] += timedelta(hours=1)
    written.look()
    assert len(aside(str(path))) == 1


def test_a_file_that_several_write_to_does_not_grow_too_large_either(path: Path) -> None:
    """Lines of other processes count without a look."""
    one, other = sink(path, size=250), sink(path, size=250)
    for _ in range(4):
        one.write(LINE)
        other.write(LINE)
    assert [len(file.read_bytes()) for file in (*aside(str(path)), path)][:3] == [200, 200, 200]


def test_a_file_that_was_deleted_begins_anew_at_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The earlier records are lost with the file; later answers are on record, and messages report all of this."""
    failures: list[None] = []
    written = Sink(str(path), observer=Observer(failed=lambda: failures.append(None)))
    written.write(b"1" + LINE)
    path.unlink()
    written.write(b"2" + LINE)
    assert path.read_bytes() == b"2" + LINE
    assert len(failures) == 1
    assert f"the audit log {path} was deleted" in caplog.text


def test_a_file_that_was_deleted_and_cannot_be_made_anew_takes_nothing(tmp_path: Path) -> None:
    """The sink works again after a look finds that the file can be created."""
    folder = tmp_path / "folder"
    folder.mkdir()
    written = Sink(str(folder / "gone.log"))
    written.write(LINE)
    shutil.rmtree(folder)
    for _ in range(2):
        with pytest.raises(AuditLogUnwritable, match="was deleted, and catflap cannot create it again"):
            written.write(LINE)
    folder.mkdir()
    written.look()
    written.write(LINE)
    assert (folder / "gone.log").read_bytes() == LINE


def test_a_file_that_somebody_else_put_aside_is_left(path: Path) -> None:
    """Another process or logrotate renamed the file: earlier lines stay under the new name."""
    written = sink(path)
    written.write(b"1" + LINE)
    path.rename(path.with_name("elsewhere"))
    written.write(b"2" + LINE)
    written.look()
    written.write(b"3" + LINE)
    assert path.with_name("elsewhere").read_bytes() == b"1" + LINE + b"2" + LINE
    assert path.read_bytes() == b"3" + LINE


def test_one_of_several_writers_puts_a_file_aside(path: Path) -> None:
    """The other processes follow."""
    first, second = sink(path, size=150), sink(path, size=150)
    for written in (first, second, first, second):
        written.write(LINE)
        second.look()
    assert sum(len(one.read_bytes()) for one in (*aside(str(path)), path)) == 4 * len(LINE)
    descriptor = os.open(aside(str(path))[0], os.O_RDONLY)
    before = aside(str(path))
    put_aside(str(path), descriptor, AT)
    os.close(descriptor)
    assert aside(str(path)) == before


def test_the_last_ones_are_kept(path: Path) -> None:
    """Only this log's files are removed: files with a similar name stay."""
    for name in ("audit[1].log.old", "audit1.log.20260131T120000.000000Z", "audit[1].log.20260131T120000.000000Z.gz"):
        path.with_name(name).touch()
    written = sink(path, size=50, keep=2)
    for number in range(5):
        written.write(b"%d" % number + LINE)
    assert [one.read_bytes()[0:1] for one in (*aside(str(path)), path)] == [b"2", b"3", b"4"]
    assert len([*path.parent.iterdir()]) == 6
    discard(str(path), keep=0)
    assert aside(str(path)) == []


def test_where_no_new_file_can_be_made_the_old_one_goes_on(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A message reports the failure."""
    folder = path.parent / "logs"
    folder.mkdir()
    written = sink(folder / "log", size=150)
    written.write(LINE)
    (folder / "log").rename(path)
    folder.rmdir()
    written.write(LINE)
    written.look()
    assert path.read_bytes() == LINE + LINE
    assert "cannot rotate the files of the audit log" in caplog.text


def meanwhile(log: AuditLog, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> threading.Thread:
    """Run another process's action between a log's next look at its file and its next record."""
    other, witness = threading.Thread(target=act), log._file.witness
    assert witness is not None
    look = witness.look

    def looked() -> None:
        look()
        monkeypatch.undo()
        other.start()
        other.join(0.1)

    monkeypatch.setattr(witness, "look", looked)
    return other


def starts(path: Path) -> list[dict[str, Any]]:
    """Return the records that begin a chain in a file."""
    return [record for record in map(json.loads, path.read_bytes().splitlines()) if record["type"] == "start"]


def test_of_two_chains_that_begin_at_once_one_states_the_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process waits until the first has written its start."""
    one, other = AuditLog(str(path), process="serve"), AuditLog(str(path), process="serve")
    act = meanwhile(one, monkeypatch, lambda: other.append(RECORD))
    one.append(RECORD)
    act.join()
    assert ["previous" in start for start in starts(path)] == [False, True]
    one.stop()
    other.stop()
    assert verified(path, closed=True).notes == ()


def test_a_chain_that_begins_in_an_empty_file_states_the_file_before_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process writes to the new file at that same moment."""
    older, younger = AuditLog(str(path), process="serve"), AuditLog(str(path), process="serve")
    last = older.append(RECORD)
    assert last is not None
    put_aside(str(path), older._file._descriptor, AT)
    older.look()
    act = meanwhile(younger, monkeypatch, lambda: older.append(RECORD))
    younger.append(RECORD)
    act.join()
    assert [start["previous"]["chain"] for start in starts(path)] == [last.chain]
    older.stop()
    younger.stop()
    report = verified(*aside(str(path)), path, closed=True)
    assert (report.findings, report.notes) == ((), ())


def test_a_file_that_another_process_keeps_locked_is_written_all_the_same(path: Path) -> None:
    """A suspended process must not block the records of the others."""
    log = AuditLog(str(path), process="serve")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        log.append(RECORD)
    assert len(path.read_bytes().splitlines()) == 2


def test_a_file_that_another_process_keeps_locked_is_put_aside_later(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its lines are written all the same, and the next look after that process tries again."""
    written = sink(path, size=150)
    written.write(LINE)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        written.write(LINE)
        assert aside(str(path)) == []
    assert "cannot be locked" in caplog.text
    written.look()
    written.write(LINE)
    assert [one.read_bytes() for one in (*aside(str(path)), path)] == [LINE + LINE, LINE]


def test_an_emptied_log_is_noted(path: Path) -> None:
    """If the lines are restored later, the new process has stated that it read none."""
    one = AuditLog(str(path), process="serve")
    one.append(RECORD)
    before = path.read_bytes()
    path.write_bytes(b"")
    AuditLog(str(path), process="serve").append(RECORD)
    path.write_bytes(before + path.read_bytes())
    assert any("started in an empty file" in note for note in verified(path).notes)


@pytest.mark.parametrize("durability", ["written", "synced", "best-effort"])
def test_chains_go_on_from_file_to_file(path: Path, durability: Any) -> None:
    """Several writers have several threads each: the files in order are sound, and have every record."""
    keeping = Keeping(rotation=Rotation(size=5000), durability=durability)
    logs = [AuditLog(str(path), process="serve", keeping=keeping) for _ in range(2)]

    def write(log: AuditLog) -> None:
        for _ in range(40):
            log.append(RECORD)
            log.look()

    threads = [threading.Thread(target=write, args=(log,)) for log in logs * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        log.stop()
    files = [*aside(str(path)), path]
    assert len(files) > 4
    report = verified(*files, closed=True)
    assert report.findings == ()
    assert report.notes == ()
    assert report.records == 2 * (2 * 40 + 2)
