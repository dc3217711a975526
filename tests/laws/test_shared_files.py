"""Processes that share a log verify each other: deleted, inserted and appended records show, and a genuine log has no finding."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.laws.strategies import LAW
from webhook.audit.chain import seal
from webhook.audit.findings import FindingKind
from webhook.audit.keys import read_public, write_pair
from webhook.audit.log import AuditLog
from webhook.audit.log_config import LogConfig, Rotation
from webhook.audit.log_lines import LogLine
from webhook.audit.rotation import rotated_files
from webhook.audit.verify import VerificationReport, Verifier

AT: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
RECORD: Final = {"type": "write", "time": "2026-01-31T12:00:00.000000Z"}
SMALL: Final = 2500  # bytes of a file before it is put aside: some records

Log = dict[str, list[bytes]]  # the lines of each file, oldest first


class Step(NamedTuple):
    """One step; with `racing`, another process writes a record at the same moment."""

    writer: int
    does: str
    racing: bool = False


class ProcessState(NamedTuple):
    """A log with the chains of killed processes."""

    files: Log
    killed: frozenset[str]

    @property
    def lines(self) -> list[bytes]:
        """Return all lines in order."""
        return [line for lines in self.files.values() for line in lines]


def is_held(descriptor: int) -> bool:
    """Return whether a process has locked the open file, so that a new process waits for it."""
    with open(f"/proc/self/fd/{descriptor}", "rb") as again:  # noqa: PTH123 (of the open file, whatever its name is now)
        try:
            fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class History:
    """Processes that write to one log, and their clocks."""

    def __init__(self, folder: str, log_config: LogConfig, root: Path | None) -> None:
        self.path = Path(folder) / "log"
        self.log_config = log_config
        self.root = root
        self.wall, self.seconds = AT, 0.0
        self.running: list[AuditLog] = []
        self.killed: set[str] = set()
        self.racing: AuditLog | None = None

    def process(self) -> AuditLog:
        """Start another process."""
        return AuditLog(str(self.path), process="serve", now=lambda: self.wall, config=self.log_config, root=self.root)

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """Patch the clocks, and the disk, on which another process may write first."""
        write = os.write

        def written(descriptor: int, line: bytes) -> int:
            racing, self.racing = self.racing, None
            waits = racing is not None and not racing._seq and is_held(descriptor)
            if racing is not None and not racing._lock.locked() and not waits:
                racing.append(RECORD)
            return write(descriptor, line)

        with (
            patch("webhook.audit.peer_attestation.monotonic", lambda: self.seconds),
            patch("webhook.audit.sink.os.write", written),
        ):
            yield

    def pass_time(self, seconds: float) -> None:
        """Advance the clock of all processes; each checks its file."""
        self.wall += timedelta(seconds=seconds)
        self.seconds += seconds
        for log in self.running:
            log.poll()

    def take(self, step: Step) -> None:
        """Perform a step."""
        writer = step.writer % len(self.running)
        log = self.running[writer]
        other = self.running[writer - 1]
        self.racing = other if step.racing and other is not log else None
        match step.does:
            case "append":
                log.append(RECORD)
            case "minute":
                self.pass_time(61)
            case "moment":
                self.pass_time(5)
            case "clock set back":
                self.wall -= timedelta(days=1)
            case "restart":
                log.stop()
                self.running[writer] = self.process()
            case "kill":
                log._file.close()
                if log._seq:
                    self.killed.add(log._chain)
                self.running[writer] = self.process()
            case "roll":  # the new process begins before the old one ends
                new = self.process()
                new.append(RECORD)
                log.append(RECORD)
                log.stop()
                self.running[writer] = new
        self.racing = None


def run_history(
    writers: int, steps: Sequence[Step], *, size: int | None = None, root: Path | None = None
) -> ProcessState:
    """Return the log of some processes; at the end, each writes a record, and then all stop in order."""
    with TemporaryDirectory() as folder:
        history = History(folder, LogConfig(rotation=Rotation(size=size)), root)
        with history.clocks():
            history.running = [history.process() for _ in range(writers)]
            for step in steps:
                history.take(step)
            for log in history.running:
                log.append(RECORD)
            for log in history.running:
                log.stop()
        paths = [*rotated_files(str(history.path)), history.path]
        return ProcessState(
            {path.name: path.read_bytes().splitlines(keepends=True) for path in paths}, frozenset(history.killed)
        )


def verify(files: Log, **options: Any) -> VerificationReport:
    """Return the result of the verification of a log."""
    verifier = Verifier(**options)
    for name, lines in files.items():
        for number, line in enumerate(lines, 1):
            verifier.add(LogLine(name, number, line.removesuffix(b"\n"), line.endswith(b"\n")))
    return verifier.finish()


def record(line: bytes) -> dict[str, Any]:
    """Parse a line."""
    return json.loads(line)  # type: ignore[no-any-return]


def chains(lines: Sequence[bytes]) -> list[str]:
    """Return the chains in the order of their first records."""
    return [*dict.fromkeys(record(line)["chain"] for line in lines)]


often = ["append"] * 6 + ["minute", "moment"]
step_kinds = st.sampled_from([*often, "restart", "kill", "roll", "clock set back"])
histories = st.lists(st.builds(Step, st.integers(0, 3), step_kinds, st.booleans()), max_size=25)
shared = st.builds(run_history, st.integers(2, 4), histories)
alone = st.builds(run_history, st.just(1), histories)
with_a_kill = st.builds(
    lambda writers, before, after: run_history(writers, [*before, Step(0, "append"), Step(0, "kill"), *after]),
    st.integers(1, 4), histories, histories,
)  # fmt: skip
OTHERS: Final = run_history(2, [Step(0, "append"), Step(1, "append"), Step(0, "minute"), Step(0, "roll")])


@LAW
@given(writers=st.integers(1, 4), steps=histories, size=st.sampled_from([None, SMALL]))
@example(
    writers=2,
    steps=[Step(0, "append"), Step(1, "append", racing=True), Step(0, "minute"), Step(1, "kill")],
    size=SMALL,
)
def test_logs_of_processes_are_sound(
    writers: int,
    steps: list[Step],
    size: int | None,
) -> None:
    """This holds for any number of writers, kills, restarts and rotations, and also where the files are joined to one."""
    log = run_history(writers, steps, size=size)
    assert verify(log.files).findings == ()
    assert verify({"-": log.lines}).findings == ()
    cut = {found.chain for found in verify(log.files, closed=True).findings}
    assert cut == log.killed


@LAW
@given(st.data(), shared | st.builds(run_history, st.integers(2, 4), histories, size=st.just(SMALL)))
def test_removed_chain_is_detected(data: st.DataObject, log: ProcessState) -> None:
    """No option is needed, as another chain names it. The oldest chain has at least a note: it may be in a file that was not given."""
    oldest, *others = chains(log.lines)
    gone = data.draw(st.sampled_from(others))
    assert any(gone in found.message and found.kind is FindingKind.MISSING for found in without(log, gone).findings)
    report = without(log, oldest)
    assert report.findings or any("continues after" in note for note in report.notes)


def test_last_chain_of_one_process_is_named_by_no_chain() -> None:
    """No chain follows it, but the API server's log has its hashes."""
    log = run_history(1, [Step(0, "append"), Step(0, "restart"), Step(0, "append"), Step(0, "restart")])
    oldest, middle, last = chains(log.lines)
    assert any("continues after" in note for note in without(log, oldest).notes)
    assert [one.kind for one in without(log, middle).findings] == [FindingKind.MISSING]
    assert without(log, last).findings == ()


def without(log: ProcessState, chain: str) -> VerificationReport:
    """Return the result of the verification of a log without one of its chains."""
    files = log.files.items()
    return verify({name: [line for line in lines if record(line)["chain"] != chain] for name, lines in files})


def attested_lines(lines: Sequence[bytes]) -> int:
    """Return the line up to which the last writer has read the file: its last record before its stop record."""
    last = record(lines[-1])
    return next(index for index, line in enumerate(lines) if follows(record(line), last))


def follows(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether the second record directly follows the first one in its chain."""
    return (one["chain"], one["seq"] + 1) == (other["chain"], other["seq"])


@LAW
@given(st.data(), shared | alone)
def test_inserted_old_chain_is_detected(data: st.DataObject, log: ProcessState) -> None:
    """The chain is genuine and closed, inserted whole or line by line: the others had read the file without it."""
    whole = log.lines
    old = data.draw(st.sampled_from(chains(OTHERS.lines)))
    put_in = [line for line in OTHERS.lines if record(line)["chain"] == old]
    where = st.integers(1, attested_lines(whole))
    places = data.draw(
        st.lists(where, min_size=len(put_in), max_size=len(put_in)) | where.map(lambda at: [at] * len(put_in))
    )
    changed = list(whole)
    for line, at in reversed([*zip(put_in, sorted(places), strict=True)]):
        changed.insert(at, line)
    found = verify({"log": changed}).findings
    assert old in {one.chain for one in found}


@LAW
@given(st.data(), with_a_kill, st.integers(1, 3))
def test_records_forged_behind_the_end_of_a_killed_chain_show(
    data: st.DataObject, log: ProcessState, count: int
) -> None:
    """This holds for every place: the writers that continued had read the file without them."""
    killed = data.draw(st.sampled_from([chain for chain in chains(log.lines) if chain in log.killed]))
    whole = log.lines
    end = max(index for index, line in enumerate(whole) if record(line)["chain"] == killed)
    at, changed = data.draw(st.integers(end + 1, attested_lines(whole))), list(whole)
    last = record(whole[end])
    for number in range(count):
        linked = {"chain": killed, "seq": last["seq"] + 1, "prev": last["hash"]}
        line, digest = seal({**RECORD, **linked, "reason": "forged"})
        changed.insert(at + number, line)
        last = {**last, "seq": last["seq"] + 1, "hash": digest}
    found = verify({"log": changed}).findings
    assert (FindingKind.INSERTED, killed) in {(one.kind, one.chain) for one in found}


@LAW
@given(st.data(), with_a_kill)
def test_rewritten_unsigned_end_of_a_killed_chain_is_detected(data: st.DataObject, log: ProcessState) -> None:
    """It has no signature at its end, but others had read its last record."""
    killed = data.draw(st.sampled_from([chain for chain in chains(log.lines) if chain in log.killed]))
    whole = log.lines
    end = max(index for index, line in enumerate(whole) if record(line)["chain"] == killed)
    last = {key: value for key, value in record(whole[end]).items() if key != "hash"}
    assume(last["type"] == "write")
    changed = [*whole[:end], seal({**last, "reason": "other"})[0], *whole[end + 1 :]]
    found = verify({"log": changed}).findings
    assert any(f"record {last['seq']} of chain {killed}" in one.message for one in found)


@LAW
@given(st.data(), shared)
def test_replayed_part_of_a_chain_is_detected(data: st.DataObject, log: ProcessState) -> None:
    """The records are a replay of records of the same log."""
    whole = log.lines
    one = data.draw(st.sampled_from(chains(whole)))
    own = [line for line in whole if record(line)["chain"] == one]
    begin = data.draw(st.integers(0, len(own) - 1))
    end = data.draw(st.integers(begin + 1, len(own)))
    at = data.draw(st.integers(0, len(whole)))
    found = verify({"log": [*whole[:at], *own[begin:end], *whole[at:]]}).findings
    assert {FindingKind.REPEATED, FindingKind.REORDERED} & {finding.kind for finding in found}


@LAW
@given(st.data(), shared)
def test_a_cut_end_of_the_file_shows_when_chains_have_to_be_closed(data: st.DataObject, log: ProcessState) -> None:
    """This holds as long as a process was running."""
    whole = log.lines
    end = data.draw(st.integers(1, attested_lines(whole) + 1))
    ended = {record(line)["chain"] for line in whole[:end] if record(line)["type"] == "stop"}
    assume({*chains(whole[:end])} - ended)
    found = verify({"log": whole[:end]}, closed=True).findings
    assert FindingKind.TRUNCATED in {one.kind for one in found}


def test_a_chain_made_under_another_key_shows_by_the_root_key() -> None:
    """The forged process can claim anything about the others."""
    with TemporaryDirectory() as folder:
        private, public = write_pair(f"{folder}/root")
        log = run_history(2, [Step(0, "append"), Step(1, "append")], root=private)
        roots = [read_public(public)]
    assert verify(log.files, roots=roots).findings == ()
    assert {one.kind for one in verify(OTHERS.files, roots=roots).findings} == {FindingKind.FORGED}
