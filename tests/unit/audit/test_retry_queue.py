"""Test that records of completed writes wait in a queue, are not lost, and block nothing."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import pytest

from tests.audit_logs import assert_sound
from webhook.audit.log import AuditLog
from webhook.audit.record import write_record
from webhook.audit.retry_queue import READY_SECONDS, RetryQueue
from webhook.audit.sink import AuditLogUnwritable, Sink
from webhook.model.reason import Reason, ReasonCode

AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def make_record(number: int) -> Any:
    """Return the record of a write."""
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"n{number}"}}
    return write_record(manifest, why=Reason(ReasonCode.POLICY_CREATED, "created: a test"), policy_digest="", at=AT)


class Disk:
    """A disk that may be full."""

    full = False


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Return the disk of every log."""
    made, write = Disk(), Sink.write

    def written(sink: Sink, line: bytes) -> None:
        if made.full:
            raise AuditLogUnwritable("no space left on device")
        write(sink, line)

    monkeypatch.setattr(Sink, "write", written)
    return made


def names(path: Path) -> list[str]:
    """Return the recorded names in order."""
    return [
        line.split(b'"name":"')[1].split(b'"')[0].decode()
        for line in path.read_bytes().splitlines()
        if b'"write"' in line
    ]


def test_queued_records_are_written_in_order(tmp_path: Path, disk: Disk) -> None:
    """No call raises in the meantime."""
    path, now = tmp_path / "audit.log", [0.0]
    owed = RetryQueue(AuditLog(str(path), process="controller"), clock=lambda: now[0])
    owed.append(make_record(0))
    disk.full = True
    for number in range(1, 4):
        owed.append(make_record(number))
    assert (len(owed), owed.is_timely, names(path)) == (3, True, ["n0"])
    now[0] = READY_SECONDS
    assert not owed.flush()
    assert not owed.is_timely
    disk.full = False
    owed.append(make_record(4))
    assert (len(owed), owed.is_timely) == (0, True)
    assert names(path) == ["n0", "n1", "n2", "n3", "n4"]
    assert_sound(path)


def test_the_queue_has_an_end(tmp_path: Path, disk: Disk) -> None:
    """Records without room are counted."""
    lost: list[int] = []
    log = AuditLog(str(tmp_path / "audit.log"), process="controller")
    owed = RetryQueue(log, capacity=2, on_lost=lambda: lost.append(1))
    disk.full = True
    for number in range(5):
        owed.append(make_record(number))
    disk.full = False
    assert owed.flush()
    assert (names(tmp_path / "audit.log"), len(lost)) == (["n0", "n1"], 3)


def test_log_recovers_without_a_request(tmp_path: Path, disk: Disk) -> None:
    """A replica that is not ready gets no requests, so it has to try."""
    path = tmp_path / "audit.log"
    log = AuditLog(str(path), process="serve")
    assert log.is_writable
    disk.full = True
    with pytest.raises(AuditLogUnwritable):
        log.append(cast("Any", make_record(0)))
    assert not log.is_writable
    with pytest.raises(AuditLogUnwritable):
        log.poll()
    assert not log.is_writable
    disk.full = False
    log.poll()
    assert log.is_writable
    log.append(cast("Any", make_record(1)))
    disk.full = True
    with pytest.raises(AuditLogUnwritable):
        log.append(cast("Any", make_record(2)))
    disk.full = False
    log.poll()
    assert log.is_writable
    log.stop()
    assert_sound(path)
