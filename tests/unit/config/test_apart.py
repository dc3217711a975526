"""Check that another process reads a large policy file with the same result."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Final

import pytest

from tests.controlplane.waiting import wait_until
from webhook.config import apart, reader
from webhook.config.apart import LENGTH, SMALL, Kept, Reader, ReadingTooSlowError
from webhook.config.default import DEFAULT_POLICY
from webhook.config.faults import BadPolicy
from webhook.config.parse import Loaded, parse
from webhook.config.store import PolicyStore

FILLING: Final = "# large\n" * (SMALL // 8 + 1)
GOOD: Final = DEFAULT_POLICY + FILLING
BAD: Final = f"apiVersion: catflap.dev/v1\nkind: GuardPolicy\n{FILLING}mode: sometimes\nrules: {{x: off}}\n"
ODD: Final = ("\ud800", "\x00", "\ufeff", "\n" * SMALL, "[" * 2 * SMALL, "\u00e9" * SMALL, "9" * 900_000)


def outcome(text: str, read: "apart.Kept | Reader | None" = None) -> Loaded | tuple[object, ...]:
    """Return the policy or the faults of a text, read here or in the process."""
    try:
        match read:
            case None:
                return parse(text)
            case Reader():
                return read.read(text, 30)
        return read.load(text, 30)
    except BadPolicy as bad:
        return bad.faults


@pytest.fixture(scope="module")
def process() -> Iterator[Reader]:
    """Yield one process for all tests."""
    made = Reader()
    yield made
    made.stop()


@pytest.mark.parametrize("text", [GOOD, BAD, *(GOOD + odd for odd in ODD)], ids=range(2 + len(ODD)))
def test_the_outcome_is_that_of_reading_it_here(process: Reader, text: str) -> None:
    """Both ways give the same policy, or the same faults with their places."""
    assert outcome(text, process) == outcome(text)


def test_a_small_file_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most files are small, and this process reads them."""
    monkeypatch.setattr(apart, "READER", None)
    assert outcome(DEFAULT_POLICY, Kept()) == parse(DEFAULT_POLICY)


def test_a_good_file_is_read_once(monkeypatch: pytest.MonkeyPatch, process: Reader) -> None:
    """Its review, the preview of its effects and its activation share one reading."""
    monkeypatch.setattr(apart, "READER", process)
    kept = Kept()
    first = kept.load(GOOD, 30)
    monkeypatch.setattr(apart, "READER", None)
    assert kept.load(GOOD, 0) is first


def test_several_threads_have_their_turns(process: Reader) -> None:
    """Each thread gets the result for its own text."""
    texts = [f"{GOOD}# {number}\n" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: process.read(text, 30), texts))
    assert [one.digest for one in found] == [parse(text).digest for text in texts]


def test_a_process_that_was_killed_is_started_again(process: Reader) -> None:
    """The next file starts a new process, also after one that ended without work."""
    process.read(GOOD, 30)
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    process._process.wait()
    assert process.read(GOOD, 30) == parse(GOOD)


def test_what_takes_too_long_is_given_up(process: Reader) -> None:
    """The process is stopped, and another process reads the next file."""
    process.read(GOOD, 30)
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(ReadingTooSlowError):
        process.read(GOOD, 0.2)
    assert time.monotonic() - begun < 10
    assert process.read(GOOD, 30) == parse(GOOD)


def test_where_no_process_can_be_started_the_file_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy must come into force without the process."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(apart, "READER", Reader())
    assert Kept().load(GOOD, 30) == parse(GOOD)


def test_a_file_that_is_not_read_in_time_leaves_the_last_good_one_and_may_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The store reports the delay, and reads the file again when it is offered again."""
    complaints: list[BadPolicy] = []
    store = PolicyStore(on_refusal=complaints.append)
    store.offer(DEFAULT_POLICY)

    def slow(_text: str) -> Loaded:
        raise ReadingTooSlowError("in the available time")

    monkeypatch.setattr("webhook.config.store.load", slow)
    store.offer(GOOD)
    assert [str(one) for one in complaints] == ["the file was not read in the available time"]
    assert store.current == parse(DEFAULT_POLICY)
    monkeypatch.undo()
    store.offer(GOOD)
    assert store.current == parse(GOOD)


def test_the_process_ends_with_the_other_side() -> None:
    """If the server is killed, the reading process ends too."""
    program = (
        "import sys, time; from webhook.config.apart import READER, Reader; "
        "READER.read(sys.stdin.read(), 30); print(READER._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(GOOD)
        parent.stdin.close()
        child = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not is_alive(child), what="the end of the process")


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not run."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_process_ends_where_no_file_comes() -> None:
    """The idle process ends, because it holds 45 MiB."""
    reads, _writes = os.pipe()
    with open(reads, "rb") as requests:  # noqa: PTH123
        answers = BytesIO()
        reader.serve(requests, answers, idle_seconds=0.01)
    assert answers.getvalue() == b""
    os.close(_writes)


def test_an_answer_follows_its_length() -> None:
    """The test reads the answer as the other side does."""
    reads, writes = os.pipe()
    content = DEFAULT_POLICY.encode()
    os.write(writes, LENGTH.pack(len(content)) + content)
    os.close(writes)
    with open(reads, "rb") as requests:  # noqa: PTH123
        answers = BytesIO()
        reader.serve(requests, answers)
    whole = answers.getvalue()
    assert LENGTH.unpack(whole[: LENGTH.size]) == (len(whole) - LENGTH.size,)
    assert pickle.loads(whole[LENGTH.size :]) == parse(DEFAULT_POLICY)
