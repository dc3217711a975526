"""Test one process's chain: start, signatures, key change, stop."""

import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.audit.logs import AT, RECORD, Clock, append_record, make_log
from webhook import __version__
from webhook.audit.chain import (
    CHECKPOINT_RECORDS,
    GENESIS,
    canonical_bytes,
    certified_bytes,
    fragment_of,
    seal,
    signed_bytes,
)
from webhook.audit.keys import BadKeyError, is_signed_by, read_public, write_pair
from webhook.audit.log import CHECKPOINT_INTERVAL, KEY_LIFETIME
from webhook.audit.record import timestamp
from webhook.audit.schema import VERSION
from webhook.audit.sink import AuditLogUnwritable

Json = dict[str, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a future log."""
    return tmp_path / "audit.log"


@pytest.fixture
def clock() -> Clock:
    """Return the log's clock."""
    return Clock()


def read(path: Path) -> list[Json]:
    """Return the log's records."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def types(path: Path) -> list[str]:
    """Return the type of each record."""
    return [record["type"] for record in read(path)]


def test_chain_begins_with_its_writer(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start has the parts of the Pod that the environment names."""
    for name in ("POD_NAME", "POD_UID", "NODE_NAME"):
        monkeypatch.setenv(name, f"its-{name}")
    monkeypatch.setenv("POD_NAMESPACE", "")
    make_log(path, clock).append(RECORD)
    start, record = read(path)
    writer = start["writer"]
    assert {"process": "serve", "pid": os.getpid(), "node": "its-NODE_NAME"}.items() <= writer.items()
    assert writer["pod"] == {"name": "its-POD_NAME", "uid": "its-POD_UID"}
    assert (start["type"], start["seq"], start["prev"], start["time"]) == ("start", 0, GENESIS, timestamp(AT))
    assert not {"certificate", "previous", "torn"} & start.keys()
    assert (record["seq"], record["prev"], record["chain"]) == (1, start["hash"], start["chain"])


def test_line_is_the_canonical_record_with_its_hash(path: Path, clock: Clock) -> None:
    """The record also has the format and the release, and the caller receives its place."""
    odd = path.with_name("odd.log")  # records of a type that does not exist
    link = append_record(make_log(odd, clock), {"b": ["ü", None], "a": "x\ny"})
    line = odd.read_bytes().splitlines(keepends=True)[1]
    record = json.loads(line)
    assert list(record)[-1] == "hash"
    assert {"version": VERSION, "catflap": __version__, "a": "x\ny", "b": ["ü", None]}.items() <= record.items()
    assert (link.chain, link.seq, link.hash) == (record["chain"], 1, record.pop("hash"))
    assert seal(record) == (line, link.hash)
    assert (
        canonical_bytes(record)
        == json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_nothing_is_written_before_the_first_record(path: Path, clock: Clock) -> None:
    """A process that is forked later therefore begins its own chain."""
    log = make_log(path, clock)
    log.poll()
    log.stop()
    assert path.read_bytes() == b""


def test_next_chain_names_the_last_record_of_the_previous_chain(path: Path, clock: Clock) -> None:
    """The removal of a whole chain is therefore detected."""
    last = append_record(make_log(path, clock))
    make_log(path, clock).append(RECORD)
    start = read(path)[2]
    assert start["previous"] == {"chain": last.chain, "seq": 1, "hash": last.hash}
    assert (start["seq"], start["prev"]) == (0, GENESIS)
    assert start["chain"] != last.chain


def test_a_chain_ends_with_a_signed_stop(path: Path, clock: Clock) -> None:
    """Nothing follows the stop."""
    log = make_log(path, clock)
    log.append(RECORD)
    log.stop()
    log.stop()
    start, _, stop = read(path)
    assert stop["type"] == "stop"
    assert is_signed_by(start["publicKey"], stop["signature"], signed_bytes(stop))
    with pytest.raises(AuditLogUnwritable, match="closed"):
        log.append(RECORD)
    log.poll()
    assert len(read(path)) == 3


def test_a_checkpoint_is_signed_by_count(path: Path, clock: Clock) -> None:
    """Under load the checkpoint does not depend on the clock."""
    log = make_log(path, clock)
    for _ in range(2 * CHECKPOINT_RECORDS):
        log.append(RECORD)
    found = [index for index, one in enumerate(types(path)) if one == "checkpoint"]
    assert found == [CHECKPOINT_RECORDS, 2 * CHECKPOINT_RECORDS + 1]


def test_a_checkpoint_is_signed_by_the_clock_when_something_came_since(path: Path, clock: Clock) -> None:
    """The clock makes no checkpoint without new records."""
    log = make_log(path, clock)
    log.append(RECORD)
    clock.advance(CHECKPOINT_INTERVAL - timedelta(seconds=1))
    log.poll()
    assert types(path) == ["start", "write"]
    clock.advance(timedelta(seconds=1))
    log.poll()
    clock.advance(CHECKPOINT_INTERVAL)
    log.poll()
    start, _, checkpoint = read(path)
    assert checkpoint["type"] == "checkpoint"
    assert checkpoint["time"] == timestamp(AT + CHECKPOINT_INTERVAL)
    assert is_signed_by(start["publicKey"], checkpoint["signature"], signed_bytes(checkpoint))


def test_old_key_signs_the_new_key(path: Path, clock: Clock) -> None:
    """The key changes once a day."""
    log = make_log(path, clock)
    log.append(RECORD)
    clock.advance(KEY_LIFETIME)
    log.poll()
    log.append(RECORD)
    log.stop()
    start, _, key, _, stop = read(path)
    assert key["type"] == "key"
    assert key["publicKey"] != start["publicKey"]
    assert is_signed_by(start["publicKey"], key["signature"], signed_bytes(key))
    assert not is_signed_by(start["publicKey"], stop["signature"], signed_bytes(stop))
    assert is_signed_by(key["publicKey"], stop["signature"], signed_bytes(stop))


def test_root_key_certifies_each_key_of_the_chain(path: Path, clock: Clock, tmp_path: Path) -> None:
    """The certificate is valid for this chain and this writer only."""
    private, public = write_pair(str(tmp_path / "root"))
    log = make_log(path, clock, root=private)
    log.append(RECORD)
    clock.advance(KEY_LIFETIME)
    log.poll()
    start, _, key = read(path)
    for record in (start, key):
        said = certified_bytes(chain=start["chain"], public_key=record["publicKey"], writer=start["writer"])
        assert is_signed_by(read_public(public), record["certificate"], said)
        other = certified_bytes(chain="0" * 32, public_key=record["publicKey"], writer=start["writer"])
        assert not is_signed_by(read_public(public), record["certificate"], other)


def test_missing_root_key_postpones_the_new_key(path: Path, clock: Clock, tmp_path: Path) -> None:
    """An old key with a certificate is better than a new one without, and it continues to sign."""
    private, _ = write_pair(str(tmp_path / "root"))
    log = make_log(path, clock, root=private)
    log.append(RECORD)
    private.unlink()
    clock.advance(KEY_LIFETIME)
    with pytest.raises(BadKeyError, match=r"root\.key"):
        log.poll()
    assert types(path) == ["start", "write", "checkpoint"]
    with pytest.raises(BadKeyError):
        make_log(path, clock, root=private)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Yield how many bytes the disk takes of each following line; it takes whole lines when the list is empty.

    Threads of earlier tests write whole lines, and use none of the list.
    """
    taken: list[int] = []
    whole, own = os.write, threading.get_ident()

    def write(descriptor: int, line: bytes) -> int:
        return whole(descriptor, line[: taken.pop(0)] if taken and threading.get_ident() == own else line)

    monkeypatch.setattr("webhook.audit.sink.os.write", write)
    yield taken
    monkeypatch.undo()


def test_unwritten_record_is_no_part_of_the_chain(path: Path, clock: Clock, full_disk: list[int]) -> None:
    """The next record gets the same number, and lists the half line."""
    log = make_log(path, clock)
    log.append(RECORD)
    full_disk += [0, 30]
    for _ in range(2):
        with pytest.raises(AuditLogUnwritable):
            log.append(RECORD)
    assert append_record(log).seq == 2
    *_, half, line = path.read_bytes().splitlines()
    record = json.loads(line)
    assert record["torn"] == [{"bytes": 30, "sha256": fragment_of(half).sha256}]
    assert "torn" not in json.loads(path.read_bytes().splitlines()[1])


def test_a_chain_that_could_not_begin_begins_later(path: Path, clock: Clock, full_disk: list[int]) -> None:
    """The chain begins with its start, once."""
    log = make_log(path, clock)
    full_disk += [0, 50]
    for _ in range(2):
        with pytest.raises(AuditLogUnwritable):
            log.append(RECORD)
    log.append(RECORD)
    half, start, record = path.read_bytes().splitlines()
    assert json.loads(start)["torn"] == [{"bytes": 50, "sha256": fragment_of(half).sha256}]
    assert json.loads(record)["seq"] == 1


def test_failed_checkpoint_rejects_no_request(path: Path, clock: Clock, full_disk: list[int]) -> None:
    """The record before the checkpoint is written; the next record tries the checkpoint again."""
    log = make_log(path, clock)
    full_disk += [1 << 20] * CHECKPOINT_RECORDS + [0]
    for _ in range(CHECKPOINT_RECORDS):
        log.append(RECORD)
    assert types(path)[-3:] == ["write", "write", "checkpoint"]


def test_failed_stop_record_does_not_block_the_end(
    path: Path, clock: Clock, full_disk: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """A message reports the failure."""
    log = make_log(path, clock)
    log.append(RECORD)
    full_disk.append(0)
    log.stop()
    assert "cannot write the stop record" in caplog.text
    with pytest.raises(AuditLogUnwritable):
        log.append(RECORD)


def test_threads_share_a_chain(path: Path, clock: Clock) -> None:
    """Each record has its own number."""
    log = make_log(path, clock)

    def write() -> None:
        for _ in range(50):
            log.append(RECORD)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = read(path)
    assert [record["seq"] for record in found] == list(range(201))
    assert [record["prev"] for record in found[1:]] == [record["hash"] for record in found[:-1]]


def test_checkpoints_have_their_own_thread(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread runs until the log stops."""
    monkeypatch.setattr("webhook.audit.log.POLL_SECONDS", 0.001)
    log = make_log(path, clock)
    log.append(RECORD)
    clock.advance(CHECKPOINT_INTERVAL)
    log.start()
    [thread] = [one for one in threading.enumerate() if one.name == "audit"]
    while len(types(path)) < 3:
        thread.join(0.001)
    log.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert types(path) == ["start", "write", "checkpoint", "stop"]
