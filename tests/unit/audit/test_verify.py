"""Test the report on a damaged log: the kind of damage, the place and the record."""

import json
import resource
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.audit.logs import AT, RECORD, write_two_chains
from webhook.audit.chain import FIRST_KEYS, GENESIS, canonical_bytes, fragment_of, seal
from webhook.audit.chain_verifier import MOST_UNSIGNED
from webhook.audit.findings import FindingKind
from webhook.audit.keys import read_public, write_pair
from webhook.audit.log import AuditLog
from webhook.audit.log_lines import LogLine
from webhook.audit.record import timestamp
from webhook.audit.schema import schema
from webhook.audit.verify import MOST_FINDINGS, VerificationReport, Verifier

Lines = list[bytes]
# 1 start, 2 write, 3 key, 4 write, 5 stop; 6 start, 7 write, 8 stop
FIRST, SECOND = 0, 1


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    """Return a sound log."""
    return write_two_chains(tmp_path / "log")


def verify(lines: Lines, **options: Any) -> VerificationReport:
    """Return the report on the lines."""
    verifier = Verifier(**options)
    for number, line in enumerate(b"".join(lines).splitlines(keepends=True), 1):
        verifier.add(LogLine("log", number, line.removesuffix(b"\n"), line.endswith(b"\n")))
    return verifier.finish()


def parse_line(line: bytes) -> dict[str, Any]:
    """Return the record of a line."""
    return json.loads(line)  # type: ignore[no-any-return]


def edit(line: bytes, **what: Any) -> bytes:
    """Return a record with other content and its correct hash."""
    return seal({key: value for key, value in parse_line(line).items() if key != "hash"} | what)[0]


def test_sound_log_is_reported_by_chain(lines: Lines) -> None:
    """The report has each chain's writer, number of records, last signature and end."""
    report = verify(lines, closed=True)
    assert (report.is_sound, report.records, report.notes) == (True, 8, ())
    assert [(chain.records, chain.signed_to, chain.is_stopped) for chain in report.chains] == [
        (5, 4, True),
        (3, 2, True),
    ]
    first = report.chains[0]
    assert first.writer is not None
    assert first.writer["process"] == "serve"
    assert (first.began, first.ended) == ("2026-01-31T12:00:00.000000Z", "2026-02-01T12:00:00.000000Z")


DAMAGED: dict[str, tuple[Callable[[Lines], Lines], FindingKind, int, int, int | None]] = {
    "an edited record": (
        lambda at: [*at[:3], at[3].replace(b"created", b"creates"), *at[4:]],
        FindingKind.EDITED,
        4,
        FIRST,
        3,
    ),
    "an edited hash": (lambda at: [*at[:3], at[3][:-4] + b'g"}\n', *at[4:]], FindingKind.EDITED, 4, FIRST, 3),
    "a removed record": (lambda at: at[:3] + at[4:], FindingKind.MISSING, 4, FIRST, 3),
    "two removed records": (lambda at: at[:2] + at[4:], FindingKind.MISSING, 3, FIRST, 2),
    "a removed start": (lambda at: at[1:], FindingKind.MISSING, 1, FIRST, 0),
    "records that changed places": (lambda at: [at[0], at[2], at[1], *at[3:]], FindingKind.REORDERED, 2, FIRST, 2),
    "a repeated record": (lambda at: [*at[:2], *at[1:]], FindingKind.REPEATED, 3, FIRST, 1),
    "a rewritten record": (lambda at: [at[0], edit(at[1], reason="x"), *at[2:]], FindingKind.INSERTED, 3, FIRST, 2),
    "a record behind the stop": (lambda at: [*at, later_chain(at[-1])], FindingKind.INSERTED, 9, SECOND, 3),
    "a second start": (
        lambda at: [*at[:2], later_chain(at[1], type="start"), *at[5:]],
        FindingKind.INSERTED,
        3,
        FIRST,
        2,
    ),
    "a cut line": (lambda at: [*at[:-1], at[-1][:100]], FindingKind.TRUNCATED, 8, SECOND, None),
    "a missing line end at the end": (lambda at: [*at[:-1], at[-1][:-1]], FindingKind.TRUNCATED, 8, SECOND, 2),
    "a missing line end": (lambda at: [at[0][:-1], *at[1:]], FindingKind.EDITED, 1, FIRST, None),
    "an empty line": (lambda at: [*at[:4], b"\n", *at[4:]], FindingKind.EDITED, 5, FIRST, None),
    "text before a record": (lambda at: [*at[:4], b"x" + at[4], *at[5:]], FindingKind.TRUNCATED, 5, FIRST, None),
    "another format's line": (
        lambda at: [*at[:4], b'{"type":"decision"}\n', *at[4:]],
        FindingKind.EDITED,
        5,
        FIRST,
        None,
    ),
    "a chain's end cut before the next begins": (lambda at: at[:3] + at[5:], FindingKind.TRUNCATED, 4, SECOND, 0),
}


def later_chain(line: bytes, **more: Any) -> bytes:
    """Return an invented record that follows another one."""
    before = parse_line(line)
    linked = {"chain": before["chain"], "seq": before["seq"] + 1, "prev": before["hash"]}
    return seal({"type": "write", "time": before["time"], **linked, **more})[0]


@pytest.mark.parametrize("what", DAMAGED)
def test_each_damage_has_its_position(lines: Lines, what: str) -> None:
    """The first finding has the kind, the line, the chain and the record, as far as the line says."""
    damage, expected, line, chain, seq = DAMAGED[what]
    found = verify(damage(lines)).findings[0]
    assert (found.kind, found.place.line) == (expected, line)
    names = [parse_line(lines[0])["chain"], parse_line(lines[5])["chain"]]
    assert (found.chain or names[chain], found.seq) == (names[chain], seq)


def test_records_after_a_damaged_record_are_sound(lines: Lines) -> None:
    """One edit yields one finding."""
    report = verify([*lines[:3], lines[3].replace(b"created", b"creates"), *lines[4:]], closed=True)
    assert len(report.findings) == 1


def test_missing_records_are_counted(lines: Lines) -> None:
    """The chain determines the number."""
    [found] = verify(lines[:1] + lines[3:]).findings
    assert found.message == "records 1 to 2 stood before this line"


def test_removed_chain_is_reported_by_its_successor(tmp_path: Path) -> None:
    """The chain that names it as its predecessor shows the loss."""
    write_two_chains(tmp_path / "log")
    four = write_two_chains(tmp_path / "log")
    [found] = verify(four[:5] + four[8:]).findings
    assert (found.kind, found.place.line, found.seq) == (FindingKind.MISSING, 6, 0)
    assert parse_line(four[5])["chain"] in found.message


def test_file_may_continue_a_removed_file(lines: Lines) -> None:
    """Older files may be removed legitimately; the report still names the missing record."""
    report = verify(lines[5:], closed=True)
    assert report.is_sound
    assert report.notes == (
        f"log continues after record 4 of chain {parse_line(lines[0])['chain']}, which is missing from the files before it",
    )


def test_rewritten_end_is_reported_by_its_successor(lines: Lines) -> None:
    """This holds even if the chain itself has new signatures."""
    report = verify([*lines[:4], edit(lines[4], time="2026-02-02T00:00:00.000000Z"), *lines[5:]])
    assert [(one.kind, one.place.line) for one in report.findings] == [
        (FindingKind.FORGED, 5),
        (FindingKind.FORGED, 6),
    ]


def test_open_chain_is_damaged_only_with_closed(lines: Lines) -> None:
    """A running process has not ended its chain yet, and a killed process never does."""
    assert verify(lines[:-1]).is_sound
    [found] = verify(lines[:-1], closed=True).findings
    assert (found.kind, found.place.line, found.seq) == (FindingKind.TRUNCATED, 7, 1)


class TestTrust:
    """Test which root keys certify the keys."""

    @pytest.mark.parametrize("rooted", [True, False])
    def test_each_key_needs_the_word_of_a_trusted_root(self, tmp_path: Path, *, rooted: bool) -> None:
        """The start and each new key need a certificate."""
        private, public = write_pair(str(tmp_path / "root"))
        lines = write_two_chains(tmp_path / "log", root=private if rooted else None)
        report = verify(lines, roots=[read_public(public)])
        assert [(one.kind, one.place.line) for one in report.findings] == (
            [] if rooted else [(FindingKind.FORGED, line) for line in (1, 3, 6)]
        )
        assert all(chain.is_key_certified == rooted for chain in report.chains)

    def test_any_trusted_root_will_do(self, tmp_path: Path) -> None:
        """A root key can therefore be replaced."""
        private, public = write_pair(str(tmp_path / "root"))
        _, other = write_pair(str(tmp_path / "other"))
        lines = write_two_chains(tmp_path / "log", root=private)
        assert verify(lines, roots=[read_public(other), read_public(public)]).is_sound
        assert not verify(lines, roots=[read_public(other)]).is_sound

    def test_certificate_is_valid_for_one_chain(self, tmp_path: Path) -> None:
        """A certificate of another chain is not valid."""
        private, public = write_pair(str(tmp_path / "root"))
        lines = write_two_chains(tmp_path / "log", root=private)
        told = {key: parse_line(lines[0])[key] for key in ("certificate", "publicKey")}
        [found] = verify([edit(lines[5], **told)], roots=[read_public(public)]).findings
        assert found.kind is FindingKind.FORGED

    @pytest.mark.parametrize("garbage", ["", "AA==", "no base64!", "é"])
    def test_malformed_signature_is_invalid(self, lines: Lines, garbage: str) -> None:
        """No content of a log ends the verification with an error."""
        [found] = verify([*lines[:4], edit(lines[4], signature=garbage)]).findings
        assert (found.kind, found.seq) == (FindingKind.FORGED, 4)


class TestPartialLines:
    """Text between records that is no record."""

    def owner(self, line: bytes, *torn: bytes) -> bytes:
        """Return the line of a stop record that lists half lines."""
        return edit(line, torn=[{"bytes": len(one), "sha256": fragment_of(one).sha256} for one in torn])

    @pytest.mark.parametrize(
        ("stands", "owned"),
        [
            pytest.param([b"{ha\n"], [b"{ha"], id="one"),
            pytest.param([b"{ha\n", b"{\n"], [b"{ha", b"{"], id="two"),
            pytest.param([b"{ha\n"], [b"{ha", b""], id="a line end that others have written as well"),
        ],
    )
    def test_listed_partial_line_is_no_damage(self, lines: Lines, stands: Lines, owned: Lines) -> None:
        """A full disk leaves half lines without any attack."""
        assert [one.kind for one in verify([*lines[:4], *stands, self.owner(lines[4], *owned)]).findings] == [
            FindingKind.FORGED  # this test makes the signature invalid
        ]

    def test_unlisted_partial_line_is_damage(self, lines: Lines) -> None:
        """The original content of the text makes no difference."""
        [found] = verify([*lines[:4], b"{ha\n", *lines[4:]]).findings
        assert (found.kind, found.place.line) == (FindingKind.TRUNCATED, 5)
        assert found.message == "3 bytes that are not a record, and no record describes them as a partial line"

    def test_listed_partial_line_must_exist(self, lines: Lines) -> None:
        """The half line was removed."""
        assert FindingKind.MISSING in {one.kind for one in verify([*lines[:4], self.owner(lines[4], b"{ha")]).findings}

    def test_complete_line_is_no_partial_line(self, lines: Lines) -> None:
        """An edited record is damage even if a record lists it as a half line."""
        edited = lines[3].replace(b"created", b"creates").removesuffix(b"\n")
        report = verify([*lines[:3], edited + b"\n", self.owner(lines[4], edited)])
        assert (report.findings[0].kind, report.findings[0].place.line) == (FindingKind.EDITED, 4)


class TestLenient:
    """Copies that a collector rewrote."""

    def rewritten(self, line: bytes) -> bytes:
        """Return the same record in another form."""
        said = parse_line(line)
        return json.dumps(dict(reversed(said.items())), indent=None, ensure_ascii=True).encode() + b" \n"

    def test_rewritten_copy_with_the_same_content_is_sound(self, lines: Lines) -> None:
        """Order, white space, escapes and empty lines make no difference; by default they do."""
        copy = [one for line in lines for one in (self.rewritten(line), b"\n")]
        assert verify(copy, lenient=True, closed=True).is_sound
        assert len(verify(copy).findings) == 2 * len(lines)

    @pytest.mark.parametrize("line", [b"[]\n", b"7\n", b'"x"\n', b'{"a":"\\ud800"}\n', b"{\n", b'{"hash":"x"}\n'])
    def test_text_that_is_no_record_is_damage(self, lines: Lines, line: bytes) -> None:
        """The kind of content makes no difference."""
        [found] = verify([*lines[:4], line, *lines[4:]], lenient=True).findings
        assert found.place.line == 5

    def test_an_edit_shows(self, lines: Lines) -> None:
        """The hash shows the edit."""
        edited = self.rewritten(lines[3].replace(b"created", b"creates"))
        [found] = verify([*lines[:3], edited, *lines[4:]], lenient=True).findings
        assert (found.kind, found.seq) == (FindingKind.EDITED, 3)


def test_findings_of_a_shredded_log_are_limited(lines: Lines) -> None:
    """The report lists findings up to its limit and counts the rest."""
    report = verify([*lines, *([lines[1]] * (MOST_FINDINGS + 7))])
    assert (len(report.findings), report.omitted) == (MOST_FINDINGS, 7)
    assert not report.is_sound


def test_records_have_a_canonical_form() -> None:
    """The order of the keys at creation makes no difference."""
    assert canonical_bytes({"b": {"d": 1, "c": "é"}, "a": []}) == '{"a":[],"b":{"c":"é","d":1}}'.encode()


def test_a_chain_that_is_signed_no_longer_shows(tmp_path: Path) -> None:
    """An attacker without the key can omit signatures, but not for long."""
    lines = write_two_chains(tmp_path / "log")
    for _ in range(MOST_UNSIGNED + 1):
        lines.append(later_chain(lines[-1]) if len(lines) > 8 else later_chain(lines[6]))
    report = verify(lines[5:7] + lines[8:])
    assert [(one.kind, one.seq) for one in report.findings] == [(FindingKind.FORGED, MOST_UNSIGNED)]


def test_every_record_begins_with_a_key_that_lines_are_taken_apart_by() -> None:
    """The first key in order is one of the record's required keys, or one of the optional keys before them."""
    for part in schema()["$defs"].values():
        if "prev" in part.get("required", ()):
            first = min(part["required"])
            assert {key for key in part["properties"] if key <= first} <= set(FIRST_KEYS)


def listing_partial_line(number: int, text: bytes) -> bytes:
    """Return the start of a chain that lists a half line."""
    torn = [{"bytes": len(text), "sha256": fragment_of(text).sha256}]
    linked = {"chain": f"{number:032x}", "seq": 0, "prev": GENESIS, "time": timestamp(AT), "torn": torn}
    return seal({"type": "start", "catflap": "0", **linked})[0]


def delay_signatures(lines: Lines, *seconds: float) -> Lines:
    """Return a chain with only the start's signature; its records have these times after the start."""
    start = json.loads(lines[0])
    began = datetime.fromisoformat(start["time"])
    found = [lines[0]]
    for after in seconds:
        found.append(later_chain(found[-1], time=timestamp(began + timedelta(seconds=after))))
    return found


@pytest.mark.parametrize(
    ("seconds", "forged"),
    [
        pytest.param(range(0, 3600, 300), 3, id="nothing signed for an hour"),
        pytest.param([0, 119, 130, 178], None, id="a minute's grace"),
        pytest.param([0, 3600, 3601, 3659], None, id="a process that was suspended, and goes on"),
        pytest.param([0, 3600, 3601, 3661], 4, id="one that goes on, and signs nothing"),
        pytest.param([0, -3600, -3599, -3550], None, id="a clock that was put back"),
    ],
)
def test_a_chain_that_is_not_signed_in_time_shows(tmp_path: Path, seconds: Iterable[int], forged: int | None) -> None:
    """An attacker without the key can omit signatures for minutes at most."""
    report = verify(delay_signatures(write_two_chains(tmp_path / "log"), *seconds))
    assert [(one.kind, one.seq) for one in report.findings] == ([(FindingKind.FORGED, forged)] if forged else [])


def test_chain_without_its_start_has_one_finding(tmp_path: Path) -> None:
    """The signatures of the chain cannot be checked, and a note says so."""
    lines = delay_signatures(write_two_chains(tmp_path / "log"), *range(0, 7200, 60))
    report = verify(lines[1:])
    assert [one.kind for one in report.findings] == [FindingKind.MISSING]
    assert any("so its signatures cannot be checked" in note for note in report.notes)


def test_partial_line_is_no_end_of_a_chain(tmp_path: Path) -> None:
    """This holds even if the half line names its chain and number, and the next writer lists it."""
    path = tmp_path / "log"
    lines = write_two_chains(path)
    path.write_bytes(b"".join(lines[:2]) + b'{"chain":"%b","seq":2' % json.loads(lines[0])["chain"].encode())
    log = AuditLog(str(path), process="serve", now=lambda: AT)
    log.append(RECORD)
    log.stop()
    assert verify(path.read_bytes().splitlines(keepends=True)).findings == ()
    [found] = verify(path.read_bytes().splitlines(keepends=True), closed=True).findings
    assert (found.kind, found.seq) == (FindingKind.TRUNCATED, 1)


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(
            [*(listing_partial_line(number, b"{") for number in range(14)), b"{" * 14 + b"x\n"],
            id="half lines of many claims",
        ),
        pytest.param([b'{"catflap"' * 60 + b',"hash":"%b"}' % (b"0" * 64) * 800 + b"\n"], id="ends without beginnings"),
        pytest.param([b"{\n"] * 200_000, id="half lines without end"),
        pytest.param([b"\n"] * 400_000, id="empty lines without end"),
        pytest.param([listing_partial_line(number, b"x" * 50) for number in range(3000)], id="claims without end"),
    ],
)
def test_a_hostile_log_costs_no_more_than_its_size(hostile: Lines) -> None:
    """An attacker wants the read not to finish."""
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not verify(hostile).is_sound
    assert time.process_time() - begun < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB


@pytest.mark.parametrize("key", ['"decision"', '"type"'])
def test_copy_with_a_duplicate_key_is_rejected(lines: Lines, key: str) -> None:
    """One reader uses the first value, another the last."""
    twice = lines[1].replace(b"{", b'{%b:"allowed",' % key.encode(), 1)
    found = verify([lines[0], twice, *lines[2:]], lenient=True).findings
    assert {one.kind for one in found} >= {FindingKind.EDITED}


def test_text_copy_is_reported_as_one(lines: Lines) -> None:
    """The lenient mode accepts the copy."""
    copied = [line.replace(b"\n", b"\r\n") for line in lines]
    assert "use --lenient" in verify(copied).findings[0].message
    assert verify([b"\xef\xbb\xbf" + copied[0], *copied[1:]], lenient=True).is_sound
