"""Test what a process states about the other chains in its file, and what the verification concludes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audit_logs import verify_logs
from tests.unit.audit.logs import RECORD, Clock, append_record, make_log
from webhook.audit.chain import seal
from webhook.audit.findings import FindingKind
from webhook.audit.log import CHECKPOINT_INTERVAL
from webhook.audit.log_config import Durability, LogConfig
from webhook.audit.peer_attestation import MOST_NAMED, SETTLE_SECONDS, FileTail, last_records
from webhook.audit.rotation import rotated_files

Seconds = list[float]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a log."""
    return tmp_path / "log"


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    """Return a clock for files that were put aside."""
    now = [0.0]
    monkeypatch.setattr("webhook.audit.peer_attestation.monotonic", lambda: now[0])
    return now


def records(*paths: Path) -> list[dict[str, Any]]:
    """Return the records of a log."""
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def attested_chains(record: dict[str, Any]) -> tuple[list[tuple[str, int]], bool]:
    """Return what a record states: the other chains, and whether these are all."""
    return [(link["chain"], link["seq"]) for link in record["seen"]["chains"]], record["seen"]["complete"]


def test_process_attests_records_of_another_process(path: Path) -> None:
    """The process states it at its start, each minute and at its end, but only once."""
    clock = Clock()
    one, other = make_log(path, clock), make_log(path, clock)
    first, second = append_record(one), append_record(other)
    clock.advance(CHECKPOINT_INTERVAL)
    one.poll()
    one.append(RECORD)
    one.stop()
    other.stop()
    start, _, later, _, checkpoint, _, stop, last = records(path)
    assert attested_chains(start) == ([], True)
    assert attested_chains(later) == ([(first.chain, first.seq)], True)
    assert later["previous"]["seq"] == first.seq
    assert later["seen"]["since"] == first.chain
    assert attested_chains(checkpoint) == ([(second.chain, second.seq)], True)
    assert attested_chains(stop) == ([], True)
    assert attested_chains(last) == ([(first.chain, 4)], True)
    assert verify_logs(path, closed=True).findings == ()


def test_a_checkpoint_that_a_request_writes_reads_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request would wait for the read."""
    monkeypatch.setattr("webhook.audit.log.CHECKPOINT_RECORDS", 2)
    log = make_log(path, Clock())
    for _ in range(3):
        log.append(RECORD)
    assert [record["type"] for record in records(path) if "seen" in record] == ["start"]
    assert sum(record["type"] == "checkpoint" for record in records(path)) == 2


def test_best_effort_never_claims_to_name_all(path: Path) -> None:
    """A record in the queue follows lines that the process has not read yet."""
    log = make_log(path, Clock(), config=LogConfig(durability=Durability.BEST_EFFORT))
    log.append(RECORD)
    log.stop()
    assert {attested_chains(record)[1] for record in records(path) if "seen" in record} == {False}


def test_rotated_file_is_read_until_all_writers_follow(path: Path, seconds: Seconds) -> None:
    """Until then no statement is complete, and statements name the chains of new lines in the old file."""
    clock = Clock()
    one, other = make_log(path, clock), make_log(path, clock)
    append_record(one)
    append_record(other)
    path.rename(f"{path}.20260131T120000.000000Z")
    clock.advance(CHECKPOINT_INTERVAL)
    one.poll()
    late = append_record(other)  # to the old file
    one.append(RECORD)
    seconds[0] += SETTLE_SECONDS
    clock.advance(CHECKPOINT_INTERVAL)
    one.poll()
    checkpoints = [record for record in records(path) if record["type"] == "checkpoint"]
    assert [attested_chains(record)[1] for record in checkpoints] == [False, True]
    assert attested_chains(checkpoints[1])[0] == [(late.chain, late.seq)]
    assert verify_logs(*rotated_files(str(path)), path).findings == ()


def test_file_renamed_by_another_program_restarts_the_attestation(path: Path, seconds: Seconds) -> None:
    """The number of files in between is unknown."""
    clock = Clock()
    log = make_log(path, clock)
    log.append(RECORD)
    path.rename(path.with_name("log.1"))
    for _ in range(3):
        seconds[0] += SETTLE_SECONDS
        clock.advance(CHECKPOINT_INTERVAL)
        log.poll()
        log.append(RECORD)
    log.stop()
    stated = [record["seen"] for record in records(path) if "seen" in record]
    assert [(one.get("anew", False), one["complete"]) for one in stated][:3] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    assert verify_logs(path.with_name("log.1"), path, closed=True).findings == ()


def test_next_record_names_the_remaining_chains(path: Path) -> None:
    """The limit keeps a record small."""
    clock = Clock()
    for _ in range(MOST_NAMED + 6):
        log = make_log(path, clock)
        log.append(RECORD)
        log.stop()
    log = make_log(path, clock)
    log.append(RECORD)
    log.stop()
    stated = [attested_chains(record) for record in records(path)[-3:] if "seen" in record]
    assert [(len(chains), complete) for chains, complete in stated] == [(MOST_NAMED, False), (6, True)]
    assert verify_logs(path, closed=True).findings == ()


def test_logs_of_an_older_release_stay_readable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their chains state nothing about each other, which is no damage, even if a newer process continues the log."""
    monkeypatch.setattr("webhook.audit.log.VERSION", "catflap.dev/audit/v1alpha2")
    monkeypatch.setattr("webhook.audit.sink.PeerChainReader.follow", lambda *_, **__: None)
    monkeypatch.setattr("webhook.audit.log.attestation_fields", lambda _: {})
    clock = Clock()
    old, older = make_log(path, clock), make_log(path, clock)
    append_record(old)
    append_record(older)
    old.stop()
    older.stop()
    monkeypatch.undo()
    new = make_log(path, clock)
    new.append(RECORD)
    new.stop()
    report = verify_logs(path, closed=True)
    assert report.findings == ()
    assert len(report.chains) == 3


def test_a_copy_that_was_merged_is_not_held_against_its_chains(path: Path, tmp_path: Path) -> None:
    """With --lenient, lines of another file may be among lines that a process had read."""
    clock = Clock()
    elsewhere = tmp_path / "other.log"
    one, other = make_log(path, clock), make_log(elsewhere, clock)
    for log in (one, other):
        log.append(RECORD)
    one.append(RECORD)
    one.stop()
    other.stop()
    lines = path.read_bytes().splitlines(keepends=True)
    merged = tmp_path / "merged.log"
    merged.write_bytes(b"".join([lines[0], elsewhere.read_bytes(), *lines[1:]]))
    assert {found.kind for found in verify_logs(merged).findings} == {FindingKind.INSERTED}
    assert verify_logs(merged, lenient=True, closed=True).findings == ()


def blocks(tail: FileTail) -> bytes:
    """Return all that a tail reads now."""
    return b"".join(block + b"\n" for block in tail.blocks())


@pytest.fixture
def tail(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileTail]:
    """Yield the tail of a file, with small blocks."""
    monkeypatch.setattr("webhook.audit.peer_attestation.BLOCK", 4)
    path.write_bytes(b"")
    with path.open("rb") as file:
        yield FileTail(file.fileno())
    path.unlink()


def test_only_complete_lines_are_read(path: Path, tail: FileTail) -> None:
    """The number of pieces makes no difference."""
    for text, whole in ((b"a", b""), (b"bcdefgh", b""), (b"\n12", b"abcdefgh\n"), (b"3\n4\n", b"123\n4\n"), (b"", b"")):
        with path.open("ab") as file:
            file.write(text)
        assert blocks(tail) == whole


def test_the_last_record_of_each_chain_is_found_on_mixed_lines_too() -> None:
    """A half line of one process may have another process's record after it."""
    linked = [{"catflap": "0", "chain": name * 32, "seq": seq} for name, seq in (("a", 1), ("b", 1), ("a", 2))]
    one, other, last = (seal(link)[0] for link in linked)
    text = one + b'{"catflap":"0","chain":"%b' % (b"a" * 32) + other + last
    assert [(link.chain[0], link.seq) for link in last_records(text)] == [("a", 2), ("b", 1)]
