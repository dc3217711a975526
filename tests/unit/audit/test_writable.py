"""Test whether readiness sees that records is writable again, without a request."""

from pathlib import Path

import pytest

from tests.audit_logs import assert_sound
from webhook.audit.log import AuditLog
from webhook.audit.log_config import Durability, LogConfig, LogFailurePolicy
from webhook.audit.record import configuration_record, utc_now
from webhook.audit.sink import AuditLogUnwritable

RECORD = configuration_record(accepted=True, faults=[], policy_digest="597718279e1a869b", at=utc_now())


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the disk refuse everything from now on."""

    def write(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("webhook.audit.sink.os.write", write)


@pytest.mark.parametrize("durability", [Durability.WRITTEN, Durability.SYNCED])
@pytest.mark.parametrize("begun", [True, False], ids=["in a chain", "before the first record"])
def test_log_is_writable_again_when_the_disk_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability, *, begun: bool
) -> None:
    """The log is not writable before that, and needs no other record: a server that is not ready gets no review."""
    log = AuditLog(str(tmp_path / "audit.log"), process="serve", config=LogConfig(durability=durability))
    assert log.is_writable
    if begun:
        log.append(RECORD)
    with monkeypatch.context() as patch:
        full_disk(patch)
        with pytest.raises(AuditLogUnwritable):
            log.append(RECORD)
        with pytest.raises(AuditLogUnwritable):
            log.poll()
        assert not log.is_writable
    log.poll()
    assert log.is_writable
    log.stop()
    assert_sound(tmp_path / "audit.log")


def test_log_that_admits_without_records_counts_as_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The administrator chose this, so no replica leaves the service because of it."""
    log = AuditLog(str(tmp_path / "audit.log"), process="serve", config=LogConfig(failure=LogFailurePolicy.ADMIT))
    log.append(RECORD)
    full_disk(monkeypatch)
    assert log.append(RECORD) is None
    assert log.is_writable
