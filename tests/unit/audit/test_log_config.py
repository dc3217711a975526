"""Test how a log keeps its records: its response to failures, and its copies."""

import errno
import json
import os
from collections import deque
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from tests.audit_logs import assert_sound, verify_logs
from webhook.audit.log import AuditLog
from webhook.audit.log_config import Durability, LogConfig, LogFailurePolicy, LogObserver
from webhook.audit.queued_sink import QueuedSink
from webhook.audit.record import configuration_record, utc_now
from webhook.audit.sink import AuditLogUnwritable, Sink

ADMIT = LogConfig(failure=LogFailurePolicy.ADMIT)
SYNCED = LogConfig(durability=Durability.SYNCED)
BEST_EFFORT = LogConfig(durability=Durability.BEST_EFFORT)
RECORD = configuration_record(accepted=True, faults=[], policy_digest="0123", at=utc_now())


class Counts:
    """An observer that remembers its calls."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.observer = LogObserver(
            failed=lambda: self.told.append("failed"),
            lost=lambda: self.told.append("lost"),
            stdout_dropped=lambda: self.told.append("uncopied"),
            synced=lambda _: self.told.append("synced"),
        )


@pytest.fixture
def counts() -> Counts:
    """Return an observer."""
    return Counts()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a future log."""
    return tmp_path / "audit.log"


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Yield how many bytes the disk takes of each following line; it takes whole lines when the list is empty."""
    taken: list[int] = []
    whole = os.write
    monkeypatch.setattr(
        "webhook.audit.sink.os.write", lambda fd, line: whole(fd, line[: taken.pop(0)] if taken else line)
    )
    yield taken
    monkeypatch.undo()


def make_log(path: Path, log_config: LogConfig, counts: Counts) -> AuditLog:
    """Return a log."""
    return AuditLog(str(path), process="serve", config=log_config, observer=counts.observer)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the log's records without half lines."""
    return [json.loads(line) for line in path.read_bytes().splitlines() if line.endswith(b"}")]


def test_lost_record_is_counted_in_the_next_record(
    path: Path, counts: Counts, full_disk: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """The next record reports the loss once; the message appears once, not for each request."""
    log = make_log(path, ADMIT, counts)
    log.append(RECORD)
    full_disk += [0, 30, 0]
    assert [log.append(RECORD) for _ in range(3)] == [None] * 3
    assert counts.told == ["failed", "lost"] * 3
    log.append(RECORD)
    log.append(RECORD)
    log.stop()
    assert [record.get("lost") for record in read(path)] == [None, None, 3, None, None]
    assert [record["seq"] for record in read(path)] == [0, 1, 2, 3, 4]
    report = verify_logs(path, closed=True)
    assert report.is_sound
    assert report.notes == (f"chain {read(path)[0]['chain']} states that it lacks the records of 3 admitted requests",)
    assert caplog.text.count("requests are admitted without a record") == 1
    assert caplog.text.count("is writable again") == 1
    assert_sound(path)


def test_rejected_request_is_not_counted_as_lost(
    path: Path, counts: Counts, full_disk: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """A refused request has no effect that a record would describe."""
    log = make_log(path, LogConfig(), counts)
    log.append(RECORD)
    full_disk += [0]
    with pytest.raises(AuditLogUnwritable):
        log.append(RECORD)
    log.append(RECORD)
    assert "lost" not in read(path)[-1]
    assert counts.told == ["failed"]
    assert "requests are rejected meanwhile" in caplog.text


def test_stop_record_counts_lost_records(path: Path, counts: Counts, full_disk: list[int]) -> None:
    """The stop record reports the loss if no request follows."""
    log = make_log(path, ADMIT, counts)
    log.append(RECORD)
    full_disk += [0]
    log.append(RECORD)
    log.stop()
    assert read(path)[-1]["lost"] == 1


def test_closed_log_rejects_records(path: Path, counts: Counts) -> None:
    """No later record could report the loss."""
    log = make_log(path, ADMIT, counts)
    log.append(RECORD)
    log.stop()
    with pytest.raises(AuditLogUnwritable, match="closed"):
        log.append(RECORD)


def test_a_synced_record_is_on_the_disk_before_the_call_returns(path: Path, counts: Counts) -> None:
    """A record with `settled=False` does not wait."""
    log = make_log(path, SYNCED, counts)
    log.append(RECORD, wait_for_sync=False)
    assert counts.told == []
    log.append(RECORD)
    assert counts.told == ["synced"]
    assert len(read(path)) == 3


@pytest.mark.parametrize("failure", [*LogFailurePolicy])
def test_failed_sync_counts_as_failed_write(
    path: Path, counts: Counts, failure: LogFailurePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is written all the same, so nothing is lost if the request is admitted."""
    log = make_log(path, LogConfig(durability=Durability.SYNCED, failure=failure), counts)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("webhook.audit.sink.os.fdatasync", fail)
    if failure is LogFailurePolicy.ADMIT:
        assert log.append(RECORD) is not None
    else:
        with pytest.raises(AuditLogUnwritable, match="the disk did not store it"):
            log.append(RECORD)
    assert counts.told == ["failed"]
    monkeypatch.undo()
    log.append(RECORD)
    assert "lost" not in read(path)[-1]
    assert_sound(path)


def test_best_effort_counts_records_dropped_from_a_full_queue(
    path: Path, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes nothing for a while; the chain stays whole."""
    monkeypatch.setattr("webhook.audit.queued_sink.RETRY_SECONDS", 0.001)
    monkeypatch.setattr("webhook.audit.queued_sink.MOST_BYTES", 2500)
    whole, is_full = os.write, [True]

    def write(descriptor: int, line: bytes) -> int:
        if is_full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(descriptor, line)

    monkeypatch.setattr("webhook.audit.sink.os.write", write)
    log = make_log(path, BEST_EFFORT, counts)
    links = [log.append(RECORD) for _ in range(10)]
    lost = links.count(None)
    assert 0 < lost < 10
    assert counts.told == ["failed", "lost"] * lost
    is_full[0] = False
    while (link := log.append(RECORD)) is None:
        lost += 1
    log.stop()
    found = read(path)
    assert [record["seq"] for record in found] == [*range(len(found))]
    assert [record["lost"] for record in found if "lost" in record] == [lost]
    assert found[link.seq]["lost"] == lost
    assert_sound(path)


def test_copy_on_standard_output_equals_the_file(path: Path, counts: Counts, capfd: pytest.CaptureFixture[str]) -> None:
    """The copy equals the file byte for byte, so it verifies alone."""
    log = make_log(path, LogConfig(copy=True), counts)
    for _ in range(3):
        log.append(RECORD)
    log.stop()
    assert capfd.readouterr().out.encode() == path.read_bytes()
    assert counts.told == []


def test_a_copy_that_is_not_taken_is_counted_and_nothing_more(
    path: Path, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is authoritative."""
    log = make_log(path, LogConfig(copy=True), counts)
    monkeypatch.setattr("webhook.audit.queued_sink.QueuedSink.write", refuse)
    assert log.append(RECORD) is not None
    assert counts.told == ["uncopied"] * 2  # with the start's
    assert len(read(path)) == 2


def refuse(_queued: QueuedSink, _line: bytes) -> None:
    """Refuse every line."""
    raise AuditLogUnwritable("which is the limit")


def test_pipe_without_a_reader_is_awaited_once(tmp_path: Path) -> None:
    """Later lines are refused at once until a reader returns: nothing waits for ever, and no loss is silent."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    sink = Sink(str(pipe), reader_timeout=0.01)
    line = b"x" * 5999 + b"\n"
    with pytest.raises(AuditLogUnwritable, match="bytes were written"):
        deque(map(sink.write, repeat(line, 100)))
    assert sink._reader_is_slow
    with pytest.raises(AuditLogUnwritable, match="0 of"):
        sink.write(line)
    os.read(reader, 1 << 20)
    sink.write(line)
    assert not sink._reader_is_slow
    assert os.read(reader, 1 << 20).lstrip(b"\n") == line
    os.close(reader)
    with pytest.raises(AuditLogUnwritable, match=os.strerror(errno.EPIPE)):
        sink.write(line)
