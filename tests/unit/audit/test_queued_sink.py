"""Test the queue before a sink: no writer waits, the order is kept, and lines without room are refused."""

import os
import threading
from collections import deque
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

from webhook.audit.chain import fragment_of
from webhook.audit.queued_sink import QueuedSink
from webhook.audit.sink import AuditLogUnwritable, Sink

LINES = [b"%d\n" % number for number in range(100)]


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """Yield the path of a pipe without a reader, and its read end."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    yield str(path), reader
    os.close(reader)


def test_every_line_is_written_in_order(tmp_path: Path) -> None:
    """The observer gets the number of waiting bytes, which ends at zero."""
    waiting: list[int] = []
    queued = QueuedSink(Sink(str(tmp_path / "log")), queued=waiting.append)
    for line in LINES:
        queued.write(line)
    queued.close()
    assert (tmp_path / "log").read_bytes() == b"".join(LINES)
    assert waiting[-1] == 0
    assert max(waiting) >= len(LINES[0])


def test_pipe_without_a_reader_blocks_no_writer(fifo: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without room is refused, and the accepted lines arrive when a reader comes."""
    path, reader = fifo
    monkeypatch.setattr("webhook.audit.queued_sink.MOST_BYTES", 1 << 18)
    queued = QueuedSink(Sink(path, reader_timeout=None))
    line = b"x" * 1023 + b"\n"
    for _ in range((1 << 18) >> 10):
        queued.write(line)
    with pytest.raises(
        AuditLogUnwritable, match="which is the limit"
    ):  # the pipe takes some of them, but not all once more
        deque(map(queued.write, repeat(line, (1 << 18) >> 10)))
    read = bytearray()
    while len(read) < 1 << 18:
        read += os.read(reader, 1 << 16)
    assert read.count(line) == len(read) >> 10
    closing = threading.Thread(target=queued.close)
    closing.start()
    os.set_blocking(reader, False)
    while closing.is_alive():
        closing.join(0.01)
        try:
            os.read(reader, 1 << 20)
        except BlockingIOError:
            continue


def test_line_is_retried_until_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half line gets a line end, and waits for a record that lists it."""
    whole, taken = os.write, [2, 0]
    monkeypatch.setattr("webhook.audit.queued_sink.RETRY_SECONDS", 0.001)
    monkeypatch.setattr(
        "webhook.audit.sink.os.write", lambda fd, data: whole(fd, data[: taken.pop(0)] if taken else data)
    )
    queued = QueuedSink(Sink(str(tmp_path / "log")))
    queued.write(b"first\n")
    queued.write(b"second\n")
    queued.close()
    assert (tmp_path / "log").read_bytes() == b"fi\nfirst\nsecond\n"
    assert queued.partial_writes == [fragment_of(b"fi")]


def test_close_waits_a_limited_time(
    fifo: tuple[str, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A message reports what could not be written."""
    monkeypatch.setattr("webhook.audit.queued_sink.DRAIN_SECONDS", 0.01)
    queued = QueuedSink(Sink(fifo[0], reader_timeout=None))
    queued.write(b"x" * (1 << 18))
    queued.close()
    assert "1 lines of the audit log were not written" in caplog.text
