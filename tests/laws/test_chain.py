"""Every change of a log is detected, with its line."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.laws.strategies import LAW
from webhook.audit.chain import seal, signed_bytes, split_line
from webhook.audit.findings import Finding, FindingKind
from webhook.audit.keys import WriterKey, read_public, write_pair
from webhook.audit.log import KEY_LIFETIME, AuditLog
from webhook.audit.log_lines import LogLine
from webhook.audit.sink import AuditLogUnwritable
from webhook.audit.verify import VerificationReport, Verifier

AT: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
RECORD: Final = {"type": "write", "time": "2026-01-31T12:00:00.000000Z"}
LINE_END: Final = b"\n"

Records = list[dict[str, Any]]


class Step(NamedTuple):
    """One step of a writer; `taken` is the number of bytes that the disk stores of the first line, None for all."""

    writer: int
    does: str
    taken: int | None = None


nothing_torn = st.none()
torn = nothing_torn | st.integers(0, 400)


def steps(
    *does: str, writers: int = 3, taken: st.SearchStrategy[int | None] = nothing_torn
) -> st.SearchStrategy[list[Step]]:
    """Generate the steps of the writers on one file, in their order."""
    often = ["append"] * 6
    step = st.builds(Step, st.integers(0, writers - 1), st.sampled_from([*often, *does]), taken)
    return st.lists(step, max_size=25)


def write_history(history: Sequence[Step], root: Path | None = None) -> bytes:
    """Return the log of up to three processes on one file; at the end, each writes a record and stops in order."""
    clock = [AT]

    def now() -> datetime:
        clock[0] += timedelta(seconds=61)
        return clock[0]

    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"

        def process() -> AuditLog:
            return AuditLog(str(path), process="serve", now=now, root=root)

        running = [process() for _ in range(3)]
        for number, (writer, does, taken) in enumerate([*history, *(Step(one, "append") for one in range(3))]):
            with suppress(AuditLogUnwritable), disk(taken if does in {"append", "look"} else None):
                if does == "append":
                    running[writer].append({**RECORD, "reason": "€" * number})
                elif does == "look":
                    clock[0] += KEY_LIFETIME * (number % 2)
                    running[writer].poll()
                elif does == "restart":
                    running[writer].stop()
            if does == "kill":
                running[writer]._sink.close()
            if does in {"restart", "kill"}:
                running[writer] = process()
        for log in running:
            log.stop()
        return path.read_bytes()


@contextmanager
def disk(taken: int | None) -> Iterator[None]:
    """A disk that stores only some bytes of the next line."""
    whole, left = os.write, [taken]

    def write(descriptor: int, line: bytes) -> int:
        return whole(descriptor, line[: left.pop()] if left else line)

    with patch("webhook.audit.sink.os.write", write):
        yield


# A full disk, with one process or with several.
logs = (steps("look", "restart", writers=1, taken=torn) | steps("look", "restart")).map(write_history)


def verify(log: bytes, **options: Any) -> VerificationReport:
    """Return the result of the verification of a log."""
    verifier = Verifier(**options)
    for number, line in enumerate(log.splitlines(keepends=True), 1):
        verifier.add(LogLine("log", number, line.removesuffix(LINE_END), line.endswith(LINE_END)))
    return verifier.finish()


def first(log: bytes, **options: Any) -> Finding:
    """Return the first damage of a closed log; there must be one."""
    found = verify(log, closed=True, **options).findings
    assert found
    return found[0]


def has_finding_at(changed: bytes, log: bytes, *places: int) -> bool:
    """Return whether the first damage is at one of these lines; partial lines may be equal, so for them any damage counts."""
    return first(changed).place.line in places or b'"torn"' in log


def lines(log: bytes) -> list[bytes]:
    """Return the lines of a log with their line ends."""
    return log.splitlines(keepends=True)


def line_at(log: bytes, index: int) -> int:
    """Return the number of the line of a byte."""
    return log.count(LINE_END, 0, index) + 1


def record(line: bytes) -> dict[str, Any]:
    """Parse a line; return an empty record for a partial line."""
    try:
        return json.loads(line)  # type: ignore[no-any-return]
    except ValueError:
        return {}


def is_part_of_another(whole: Sequence[bytes], index: int) -> bool:
    """Return whether a partial line is the beginning or the end of another one, so that the other one explains the missing record.

    All records begin with the same bytes, so the partial lines of two writers can be equal.
    """
    text = whole[index].rstrip(LINE_END)
    halves = [
        piece.text
        for number, line in enumerate(whole)
        if number != index
        for piece in split_line(line.rstrip(LINE_END))
        if not piece.is_record
    ]
    return any(other.startswith(text) or other.endswith(text) for other in halves)


def two_of_a_chain(data: st.DataObject, log: bytes) -> tuple[int, int]:
    """Generate the indexes of two lines of one chain, in order."""
    chains = [record(line).get("chain") for line in lines(log)]
    one = data.draw(st.sampled_from([index for index, chain in enumerate(chains) if chain]))
    other = data.draw(st.sampled_from([index for index, chain in enumerate(chains) if chain == chains[one]]))
    assume(one != other)
    return min(one, other), max(one, other)


@LAW
@given(
    steps("look", "restart", "kill")
    | steps("look", "restart", taken=torn)
    | steps("look", "restart", "kill", writers=1, taken=torn)
)
def test_logs_of_writers_are_sound(history: list[Step]) -> None:
    """This holds for every order of their lines, and for every part that a full disk stores; only a killed process reports no partial line."""
    report = verify(write_history(history))
    assert report.findings == ()
    assert report.records >= 3


@LAW
@given(logs)
def test_a_chain_that_stopped_in_order_is_closed(log: bytes) -> None:
    """Its end is signed."""
    report = verify(log, closed=True)
    assert report.findings == ()
    assert all(chain.signed_to == chain.head.seq for chain in report.chains)


@LAW
@given(st.data(), logs, st.integers(0, 255))
def test_an_edited_byte_shows(data: st.DataObject, log: bytes, byte: int) -> None:
    """The damage is at its line."""
    index = data.draw(st.integers(0, len(log) - 1))
    assume(log[index] != byte)
    edited = log[:index] + bytes([byte]) + log[index + 1 :]
    assert has_finding_at(edited, log, line_at(log, index))


@LAW
@given(st.data(), logs)
def test_a_removed_byte_shows(data: st.DataObject, log: bytes) -> None:
    """The damage is at its line."""
    index = data.draw(st.integers(0, len(log) - 1))
    assert has_finding_at(log[:index] + log[index + 1 :], log, line_at(log, index))


@LAW
@given(st.data(), logs, st.binary(min_size=1, max_size=3))
def test_inserted_bytes_show(data: st.DataObject, log: bytes, inserted: bytes) -> None:
    """The damage is at their line; empty lines are inserted bytes too."""
    index = data.draw(st.integers(0, len(log)))
    changed = log[:index] + inserted + log[index:]
    at = line_at(log, index)
    assert has_finding_at(changed, log, *range(at, at + inserted.count(LINE_END) + 1))


@LAW
@given(st.data(), logs)
def test_a_removed_line_shows(data: st.DataObject, log: bytes) -> None:
    """The next record of the chain or its end shows the missing record; the record of its writer shows a missing partial line."""
    whole = lines(log)
    index = data.draw(st.integers(0, len(whole) - 1))
    gone = record(whole[index])
    assume(gone or not is_part_of_another(whole, index))
    report = verify(b"".join(whole[:index] + whole[index + 1 :]), closed=True)
    found = {(one.chain, one.seq) for one in report.findings}
    if not gone:
        assert FindingKind.MISSING in {one.kind for one in report.findings}
    elif gone["type"] != "stop":
        assert (gone["chain"], gone["seq"]) in found
    else:  # a truncated chain is reported at its last remaining record, or at a partial line that only its stop record mentions
        assert {(gone["chain"], gone["seq"]), (gone["chain"], gone["seq"] - 1)} & found


@LAW
@given(st.data(), logs)
def test_records_that_changed_places_show(data: st.DataObject, log: bytes) -> None:
    """The damage is at the line of the earlier one."""
    one, other = two_of_a_chain(data, log)
    changed = lines(log)
    changed[one], changed[other] = changed[other], changed[one]
    assert has_finding_at(b"".join(changed), log, one + 1)


@LAW
@given(st.data(), logs)
def test_a_repeated_line_shows(data: st.DataObject, log: bytes) -> None:
    """The damage is at one of the two places, wherever the line is moved."""
    whole = lines(log)
    index = data.draw(st.integers(0, len(whole) - 1))
    at = data.draw(st.integers(0, len(whole)))
    changed = [*whole[:at], whole[index], *whole[at:]]
    assert has_finding_at(b"".join(changed), log, at + 1, index + 1 + (at <= index))


@LAW
@given(st.data(), logs)
def test_an_invented_record_shows(data: st.DataObject, log: bytes) -> None:
    """The damage is the second record with one sequence number, whichever comes first."""
    whole = lines(log)
    index = data.draw(st.integers(0, len(whole) - 1))
    before = record(whole[index])
    assume(before and before["type"] != "stop")
    linked = {"chain": before["chain"], "seq": before["seq"] + 1, "prev": before["hash"]}
    invented, _ = seal({**RECORD, **linked, "reason": "invented"})
    found = verify(b"".join([*whole[: index + 1], invented, *whole[index + 1 :]])).findings
    assert (before["chain"], before["seq"] + 1) in {(one.chain, one.seq) for one in found}


@LAW
@given(st.data(), logs)
def test_a_cut_end_shows(data: st.DataObject, log: bytes) -> None:
    """A truncation within a line always shows, and one after a line shows where a chain has not stopped."""
    end = data.draw(st.integers(1, len(log) - 1))
    cut = log[:end]
    under_way = open_chains(cut)
    assume(under_way or not cut.endswith(LINE_END))
    found = verify(cut, closed=True).findings
    assert any(one.chain in under_way or one.place.line == len(lines(cut)) for one in found)


def open_chains(log: bytes) -> set[str]:
    """Return the chains of a log without a stop record."""
    found = [record(line) for line in lines(log)]
    return {one["chain"] for one in found if one} - {one["chain"] for one in found if one and one["type"] == "stop"}


def rewrite_chain(log: bytes, chain: str, rewrite: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """Return a log with changed records of one chain, and with recomputed hashes."""
    out, prev = [], ""
    for line in lines(log):
        one = record(line)
        if one.get("chain") == chain:
            changed = rewrite(
                {key: value for key, value in one.items() if key != "hash"} | ({"prev": prev} if prev else {})
            )
            line, prev = seal(changed)  # noqa: PLW2901
        out.append(line)
    return b"".join(out)


@LAW
@given(st.data(), logs)
def test_a_rewritten_chain_shows_at_the_next_signature(data: st.DataObject, log: bytes) -> None:
    """An attacker without the writer's key can compute hashes, but no signatures."""
    whole = [one for one in map(record, lines(log)) if one]
    one = data.draw(st.sampled_from([one for one in whole if one["type"] != "start"]))
    chain, seq = one["chain"], one["seq"]
    changed = rewrite_chain(log, chain, lambda found: found | ({"reason": "other"} if found["seq"] == seq else {}))
    signed = min(
        found["seq"] for found in whole if found["chain"] == chain and "signature" in found and found["seq"] >= seq
    )
    places = {(found.kind, found.chain, found.seq) for found in verify(changed).findings}
    assert (FindingKind.FORGED, chain, signed) in places


@LAW
@given(steps("look", writers=1))
def test_a_chain_rewritten_under_a_fresh_key_shows_by_the_root_key_alone(history: list[Step]) -> None:
    """An attacker with access to a log, but not to the root key, cannot write another history."""
    with TemporaryDirectory() as folder:
        private, public = write_pair(f"{folder}/root")
        log = write_history(history, root=private)
        root = read_public(public)
    assert first_chain(verify(log, roots=[root], closed=True)).is_key_certified
    chain = record(lines(log)[0])["chain"]
    key = WriterKey(chain=chain, writer={}, root=None)

    def resigned(found: dict[str, Any]) -> dict[str, Any]:
        changed = {name: value for name, value in found.items() if name != "certificate"}
        if "publicKey" in changed:
            changed["publicKey"] = key.public
        return changed | ({"signature": key.sign(signed_bytes(changed))} if "signature" in changed else {})

    fresh = rewrite_chain(log, chain, resigned)
    assert {found.kind for found in verify(fresh, closed=True).findings} <= {
        FindingKind.FORGED
    }  # the damage of the records that depend on it
    found = first(fresh, roots=[root])
    assert (found.kind, found.chain, found.seq, found.place.line) == (FindingKind.FORGED, chain, 0, 1)


def first_chain(report: VerificationReport) -> Any:
    """Return the first chain of an undamaged log."""
    assert report.findings == ()
    return report.chains[0]


def seal_record(body: bytes) -> bytes:
    """Return a line with a correct hash and any content."""
    return b'%b,"hash":"%b"}' % (body[:-1], sha256(body).hexdigest().encode())


STRANGE: Final = (
    b"[" * 100_000,
    b'{"a":' * 100_000 + b"}",
    b'{"chain":"%b","seq":0,"prev":"","type":"stop","time":"","signature":"","n":%b}' % (b"0" * 32, b"9" * 30),
    b'{"chain":"%b","seq":0,"prev":"","type":"start","time":"","publicKey":"\\u00e9","writer":{"pod":7}}' % (b"0" * 32),
    b'{"chain":"%b","seq":1,"prev":"","type":"stop","time":"","signature":"\\ud800"}' % (b"0" * 32),
    b'{"chain":"%b","seq":9007199254740993,"prev":"","type":"key","time":""}' % (b"0" * 32),
    b'{"torn":[{"bytes":-1,"sha256":""}]}',
)


@LAW
@given(st.lists(st.binary(max_size=40) | st.sampled_from(STRANGE), max_size=6), st.booleans(), st.booleans())
def test_no_content_ends_a_verification(written: list[bytes], fits: bool, lenient: bool) -> None:
    """Every content of a line is reported."""
    text = [seal_record(line) if fits else line for line in written]
    report = verify(b"".join(line + LINE_END for line in text), lenient=lenient, closed=True)
    assert report.is_sound == (not any(line.strip() for line in text)) or not lenient
