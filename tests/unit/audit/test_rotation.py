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

from tests.audit_logs import verify_logs
from webhook.audit.chain import seal
from webhook.audit.log import AuditLog
from webhook.audit.log_config import LogConfig, LogObserver, Rotation
from webhook.audit.record import timestamp
from webhook.audit.rotation import delete_oldest, rotate, rotated_files
from webhook.audit.sink import AuditLogUnwritable, Sink

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
LINE = b"x" * 99 + b"\n"
RECORD = {"type": "write", "time": timestamp(AT)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a log."""
    return tmp_path / "audit[1].log"


def make_sink(path: Path, at: datetime = AT, **rotation: Any) -> Sink:
    """Return a sink with a fixed time."""
    return Sink(str(path), rotation=Rotation(**rotation), now=lambda: at)


def test_file_is_rotated_by_size(path: Path) -> None:
    """Each file has whole lines, and the order of names is the order of files, though the time is fixed."""
    written = make_sink(path, size=250)
    for number in range(5):
        written.write(b"%d" % number + LINE)
    old = rotated_files(str(path))
    assert [one.name for one in old] == [f"audit[1].log.20260131T120000.00000{number}Z" for number in range(len(old))]
    assert [one.read_bytes()[0:1] + one.read_bytes()[101:102] for one in (*old, path)] == [b"01", b"23", b"4"]


def test_line_larger_than_the_size_limit_has_its_own_file(path: Path) -> None:
    """An empty file is not put aside."""
    written = make_sink(path, size=10)
    written.write(LINE)
    written.write(LINE)
    assert [one.read_bytes() for one in (*rotated_files(str(path)), path)] == [LINE, LINE]


@pytest.mark.parametrize(("older", "files"), [(timedelta(hours=1), 2), (timedelta(minutes=59), 1)])
def test_file_is_rotated_by_the_age_of_its_first_record(path: Path, older: timedelta, files: int) -> None:
    """This also holds for a process that has just begun."""
    path.write_bytes(seal({"time": timestamp(AT - older)})[0])
    make_sink(path, age=timedelta(hours=1)).poll()
    assert len([*rotated_files(str(path)), path]) == files


def test_a_file_that_began_under_our_eyes_ages_from_then_on(path: Path) -> None:
    """An empty file does not age."""
    now = [AT]
    written = Sink(str(path), rotation=Rotation(age=timedelta(hours=1)), now=lambda: now[0])
    now[0] += timedelta(hours=2)
    written.poll()
    written.write(LINE)
    written.poll()
    assert rotated_files(str(path)) == []
    now[0] += timedelta(hours=1)
    written.poll()
    assert len(rotated_files(str(path))) == 1


def test_a_file_that_several_write_to_does_not_grow_too_large_either(path: Path) -> None:
    """Lines of other processes count without a look."""
    one, other = make_sink(path, size=250), make_sink(path, size=250)
    for _ in range(4):
        one.write(LINE)
        other.write(LINE)
    assert [len(file.read_bytes()) for file in (*rotated_files(str(path)), path)][:3] == [200, 200, 200]


def test_deleted_file_is_created_again_immediately(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The earlier records are lost with the file; later answers are on record, and messages report all of this."""
    failures: list[None] = []
    written = Sink(str(path), observer=LogObserver(failed=lambda: failures.append(None)))
    written.write(b"1" + LINE)
    path.unlink()
    written.write(b"2" + LINE)
    assert path.read_bytes() == b"2" + LINE
    assert len(failures) == 1
    assert f"the audit log {path} was deleted" in caplog.text


def test_deleted_file_that_cannot_be_created_rejects_records(tmp_path: Path) -> None:
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
    written.poll()
    written.write(LINE)
    assert (folder / "gone.log").read_bytes() == LINE


def test_file_renamed_by_another_process_is_left(path: Path) -> None:
    """Another process or logrotate renamed the file: earlier lines stay under the new name."""
    written = make_sink(path)
    written.write(b"1" + LINE)
    path.rename(path.with_name("elsewhere"))
    written.write(b"2" + LINE)
    written.poll()
    written.write(b"3" + LINE)
    assert path.with_name("elsewhere").read_bytes() == b"1" + LINE + b"2" + LINE
    assert path.read_bytes() == b"3" + LINE


def test_one_of_several_writers_rotates_a_file(path: Path) -> None:
    """The other processes follow."""
    first, second = make_sink(path, size=150), make_sink(path, size=150)
    for written in (first, second, first, second):
        written.write(LINE)
        second.poll()
    assert sum(len(one.read_bytes()) for one in (*rotated_files(str(path)), path)) == 4 * len(LINE)
    descriptor = os.open(rotated_files(str(path))[0], os.O_RDONLY)
    before = rotated_files(str(path))
    rotate(str(path), descriptor, AT)
    os.close(descriptor)
    assert rotated_files(str(path)) == before


def test_newest_rotated_files_are_kept(path: Path) -> None:
    """Only this log's files are removed: files with a similar name stay."""
    for name in ("audit[1].log.old", "audit1.log.20260131T120000.000000Z", "audit[1].log.20260131T120000.000000Z.gz"):
        path.with_name(name).touch()
    written = make_sink(path, size=50, keep=2)
    for number in range(5):
        written.write(b"%d" % number + LINE)
    assert [one.read_bytes()[0:1] for one in (*rotated_files(str(path)), path)] == [b"2", b"3", b"4"]
    assert len([*path.parent.iterdir()]) == 6
    delete_oldest(str(path), keep=0)
    assert rotated_files(str(path)) == []


def test_failed_rotation_keeps_the_old_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A message reports the failure."""
    folder = path.parent / "logs"
    folder.mkdir()
    written = make_sink(folder / "log", size=150)
    written.write(LINE)
    (folder / "log").rename(path)
    folder.rmdir()
    written.write(LINE)
    written.poll()
    assert path.read_bytes() == LINE + LINE
    assert "cannot rotate the files of the audit log" in caplog.text


def run_during_start(log: AuditLog, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> threading.Thread:
    """Run another process's action between a log's next look at its file and its next record."""
    other, witness = threading.Thread(target=act), log._file.peer_reader
    assert witness is not None
    look = witness.poll

    def looked() -> None:
        look()
        monkeypatch.undo()
        other.start()
        other.join(0.1)

    monkeypatch.setattr(witness, "poll", looked)
    return other


def start_records(path: Path) -> list[dict[str, Any]]:
    """Return the records that begin a chain in a file."""
    return [record for record in map(json.loads, path.read_bytes().splitlines()) if record["type"] == "start"]


def test_one_of_two_simultaneous_chains_attests_the_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second process waits until the first has written its start."""
    one, other = AuditLog(str(path), process="serve"), AuditLog(str(path), process="serve")
    act = run_during_start(one, monkeypatch, lambda: other.append(RECORD))
    one.append(RECORD)
    act.join()
    assert ["previous" in start for start in start_records(path)] == [False, True]
    one.stop()
    other.stop()
    assert verify_logs(path, closed=True).notes == ()


def test_chain_in_an_empty_file_attests_the_previous_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process writes to the new file at that same moment."""
    older, younger = AuditLog(str(path), process="serve"), AuditLog(str(path), process="serve")
    last = older.append(RECORD)
    assert last is not None
    rotate(str(path), older._file._descriptor, AT)
    older.poll()
    act = run_during_start(younger, monkeypatch, lambda: older.append(RECORD))
    younger.append(RECORD)
    act.join()
    assert [start["previous"]["chain"] for start in start_records(path)] == [last.chain]
    older.stop()
    younger.stop()
    report = verify_logs(*rotated_files(str(path)), path, closed=True)
    assert (report.findings, report.notes) == ((), ())


def test_locked_file_is_still_written(path: Path) -> None:
    """A suspended process must not block the records of the others."""
    log = AuditLog(str(path), process="serve")
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        log.append(RECORD)
    assert len(path.read_bytes().splitlines()) == 2


def test_locked_file_is_rotated_later(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its lines are written all the same, and the next look after that process tries again."""
    written = make_sink(path, size=150)
    written.write(LINE)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        written.write(LINE)
        assert rotated_files(str(path)) == []
    assert "cannot be locked" in caplog.text
    written.poll()
    written.write(LINE)
    assert [one.read_bytes() for one in (*rotated_files(str(path)), path)] == [LINE + LINE, LINE]


def test_an_emptied_log_is_noted(path: Path) -> None:
    """If the lines are restored later, the new process has stated that it read none."""
    one = AuditLog(str(path), process="serve")
    one.append(RECORD)
    before = path.read_bytes()
    path.write_bytes(b"")
    AuditLog(str(path), process="serve").append(RECORD)
    path.write_bytes(before + path.read_bytes())
    assert any("started in an empty file" in note for note in verify_logs(path).notes)


@pytest.mark.parametrize("durability", ["written", "synced", "best-effort"])
def test_chains_continue_across_files(path: Path, durability: Any) -> None:
    """Several writers have several threads each: the files in order are sound, and have every record."""
    log_config = LogConfig(rotation=Rotation(size=5000), durability=durability)
    logs = [AuditLog(str(path), process="serve", config=log_config) for _ in range(2)]

    def write(log: AuditLog) -> None:
        for _ in range(40):
            log.append(RECORD)
            log.poll()

    threads = [threading.Thread(target=write, args=(log,)) for log in logs * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        log.stop()
    files = [*rotated_files(str(path)), path]
    assert len(files) > 4
    report = verify_logs(*files, closed=True)
    assert report.findings == ()
    assert report.notes == ()
    assert report.records == 2 * (2 * 40 + 2)
