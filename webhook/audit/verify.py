"""Verify that a log is what its writers wrote: record by record, with constant memory for each chain."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from webhook.audit.attestation_verifier import AttestationVerifier, log_name
from webhook.audit.chain import DECODE_ERRORS, Piece, may_be_partial_line, split_line
from webhook.audit.chain_verifier import Chain, ChainRecord
from webhook.audit.collector_copies import BYTE_ORDER_MARK, looks_like_record, split_copied_line
from webhook.audit.findings import Finding, FindingKind, LinePosition
from webhook.audit.keys import PublicKey
from webhook.audit.log_lines import LogLine
from webhook.audit.partial_lines import PartialLineClaim, PartialLines
from webhook.model.counting import counted

MOST_FINDINGS: Final = 1000
MOST_NOTES: Final = 100
# Each process that ever wrote has one chain; a chain takes some kilobytes.
MOST_CHAINS: Final = 20_000
SIGNED_TYPES: Final = frozenset({"start", "checkpoint", "key", "stop"})
# A damaged line may still have the chain and the number of its record.
CHAIN_PATTERN: Final = re.compile(rb'"chain"\s*:\s*"([0-9a-f]{32})"')
SEQ_PATTERN: Final = re.compile(rb'"seq"\s*:\s*(\d{1,15})\b')

PREFIX_NOTE: Final = (
    "most lines have other text before the record, as journald and docker compose add it: use --lenient"
)
RECORD_DECODER: Final = msgspec.json.Decoder(ChainRecord)


class VerificationReport(Struct, frozen=True):
    """The result: each chain, each damage in the order of the lines, and the number of further damages."""

    chains: tuple[Chain, ...]
    findings: tuple[Finding, ...]
    omitted: int
    notes: tuple[str, ...]
    is_log: bool = True  # whether there is a record or a damaged one

    @property
    def is_sound(self) -> bool:
        """Return whether there is no damage."""
        return not self.findings

    @property
    def records(self) -> int:
        """Return how many records match their hashes."""
        return sum(chain.records for chain in self.chains)

    def merged(self, findings: Iterable[Finding], notes: Iterable[str]) -> "VerificationReport":
        """Return this report with the findings and notes of another check."""
        found = [*self.findings, *findings]
        omitted = self.omitted + len(found[MOST_FINDINGS:])
        return VerificationReport(
            self.chains, tuple(found[:MOST_FINDINGS]), omitted, (*self.notes, *notes), self.is_log
        )


class Verifier:
    """Takes lines in order, and reports what is wrong with them.

    `roots` are the root keys that have to certify the chains' keys, if any. `closed` requires a stop record at the end
    of each chain. `lenient` accepts copies that a collector rewrote, if they say the same.
    """

    def __init__(self, *, roots: Sequence[PublicKey] = (), closed: bool = False, lenient: bool = False) -> None:
        self._roots = roots
        self._closed = closed
        self._split = split_copied_line if lenient else split_line
        self._lenient = lenient
        self._chains: dict[str, Chain] = {}
        self._attestations = AttestationVerifier(self._chains)
        self._partial_lines = PartialLines()
        self._findings: list[Finding] = []
        self._omitted = 0
        self._notes: list[str] = []
        self._order = 0
        self._prefixed = 0  # lines with other text before their record
        self._was_log = False  # whether a line looks like a damaged record
        self._logs: set[str] = set()  # the logs with a record; files that were put aside count as one log

    def add(self, line: LogLine) -> list[ChainRecord]:
        """Check one line; return the records in it that match their hashes."""
        self._order += 1
        place = LinePosition(line.file, line.number, self._order)
        if line.is_too_long:
            self._add_damaged(place, line.text, f"the line has {line.size} bytes and is longer than any record")
            return []
        records = [self._add_piece(piece, place) for piece in self._split(line.text)]
        if not records and not self._lenient:
            self._partial_lines.add_empty(place)
        if len(records) > 1:
            self._prefixed += records[0] is None and records[1] is not None
            if not self._lenient:
                self._partial_lines.add_joined(place, [record.chain if record else None for record in records])
            self._add_findings(*(missing_line_end(record, place) for record in records[1:] if record and record.torn))
        if records and records[-1] and not line.has_line_end and not self._lenient:
            self._add_findings(
                Finding(FindingKind.TRUNCATED, place, "its line end is missing", records[-1].chain, records[-1].seq)
            )
        return [record for record in records if record]

    def finish(self) -> VerificationReport:
        """Return the report; nothing is taken after that."""
        chains = tuple(self._chains.values())
        gaps = (gap.finding(chain.name) for chain in chains for gap in chain.gaps)
        unexplained = (*self._unexplained_lines(), *self._attestations.findings())
        found = sorted([*self._findings, *gaps, *unexplained], key=lambda finding: finding.place.order)
        if self._closed:  # findings about missing ends come last
            found += [missing_stop(chain) for chain in chains if not chain.is_stopped]
        if 2 * self._prefixed > self._order:
            self._notes.append(PREFIX_NOTE)
        notes = (*self._notes, *self._attestations.notes, *(note for chain in chains for note in chain_notes(chain)))
        omitted = (f"and {counted(len(notes) - MOST_NOTES, 'more note')}",) if len(notes) > MOST_NOTES else ()
        return VerificationReport(
            chains,
            tuple(found[:MOST_FINDINGS]),
            self._omitted + len(found[MOST_FINDINGS:]),
            (*notes[:MOST_NOTES], *omitted),
            is_log=bool(chains) or self._was_log,
        )

    def _add_findings(self, *findings: Finding) -> None:
        room = MOST_FINDINGS - len(self._findings)
        self._findings += findings[:room]
        self._omitted += len(findings[room:])

    def _add_piece(self, piece: Piece, place: LinePosition) -> ChainRecord | None:
        """Check a piece; return its record, or None if it is no record."""
        record = parse_record(piece)
        if record is not None:
            self._add_record(record, piece.text, place)
            return record
        self._was_log = self._was_log or looks_like_record(piece.text)
        if may_be_partial_line(piece.text) and self._partial_lines.add(place, piece.text):
            return None
        self._add_damaged(place, piece.text)
        return None

    def _add_damaged(self, place: LinePosition, text: bytes, message: str = "") -> None:
        """Take a line that is no record, though it may have been one."""
        self._was_log = self._was_log or looks_like_record(text)
        chain, seq = damaged_record_id(text)
        if seq is not None and chain in self._chains:
            self._chains[chain].mark_damaged(seq)
        self._add_findings(
            Finding(FindingKind.EDITED, place, message, chain, seq) if message else unexplained_text(place, text)
        )

    def _add_record(self, record: ChainRecord, text: bytes, place: LinePosition) -> None:
        chain = self._chains.get(record.chain)
        if chain is None:
            if len(self._chains) == MOST_CHAINS:
                message = (
                    f"the log has more than {MOST_CHAINS} chains, which is the limit: verify a part of its "
                    "files at a time"
                )
                self._add_findings(Finding(FindingKind.INSERTED, place, message, record.chain, record.seq))
                return
            chain = self._chains[record.chain] = Chain(record.chain, place, record.time)
        reached = chain.last.order
        self._add_chain_findings(chain, chain.add(record, place))
        continues = chain.head.seq == record.seq
        for one in record.torn:
            self._partial_lines.add_claim(PartialLineClaim(place, record.chain, record.seq, one))
        if continues:
            self._attestations.add_record(record, place)
        if record.type in SIGNED_TYPES and continues:
            is_signed = self._add_chain_findings(chain, chain.check_signature(record, text, place, self._roots))
            self._add_findings(*self._check_predecessor(record, place))
            if not self._lenient:
                self._add_findings(*self._check_attestation(record, place, reached, is_signed=is_signed))
        self._logs.add(log_name(place.file))

    def _add_chain_findings(self, chain: Chain, findings: Iterator[Finding]) -> bool:
        """Take the findings of a chain; return whether there are none."""
        found = [*findings]
        self._add_findings(*found)
        chain.is_whole = chain.is_whole and not found
        return not found

    def _check_attestation(
        self, record: ChainRecord, place: LinePosition, reached: int, *, is_signed: bool
    ) -> Iterator[Finding]:
        """Check a writer's statement about other chains."""
        if record.type == "start":
            yield from self._attestations.check_start(record, place)
        elif is_signed:
            self._attestations.add_signature(record.chain)
            yield from self._attestations.check_attestation(record, place, reached)

    def _check_predecessor(self, record: ChainRecord, place: LinePosition) -> Iterator[Finding]:
        """Check that the record that was last when a chain began is present."""
        link = record.previous
        if link is None:
            return
        found = self._chains.get(link.chain)
        description = f"record {link.seq} of chain {link.chain}"
        if found is not None:
            if kind := found.contradiction(link):
                yield Finding(kind, place, f"{description} was before it, and is missing now", record.chain, record.seq)
        elif log_name(place.file) in self._logs:
            self._attestations.absent.add(link.chain)
            yield Finding(
                FindingKind.MISSING,
                place,
                f"{description} was before it, and no record of that chain is there now",
                record.chain,
                0,
            )
        else:
            self._notes.append(f"{place.file} continues after {description}, which is missing from the files before it")

    def _unexplained_lines(self) -> Iterator[Finding]:
        loose, claims, ends = self._partial_lines.unmatched()
        yield from (unexplained_text(one.place, one.text) for one in loose)
        yield from map(missing_partial_line, claims)
        yield from (Finding(FindingKind.EDITED, place, "a line end is missing or was added") for place in ends)


def chain_notes(chain: Chain) -> Iterator[str]:
    """Yield what a writer reports of lost records, and what its chain rests on."""
    if chain.lost:
        yield f"chain {chain.name} states that it lacks the records of {counted(chain.lost, 'admitted request')}"
    if chain.writer is None:
        yield f"the start of chain {chain.name} is missing, so its signatures cannot be checked"
    elif chain.signed_to < 0:
        yield (
            f"chain {chain.name} has no signature: its {counted(chain.records, 'record')} are protected only by hashes"
        )


def parse_record(piece: Piece) -> ChainRecord | None:
    """Return the record of a piece, or None if it is no record or has another format."""
    if not piece.is_record:
        return None
    try:
        return RECORD_DECODER.decode(piece.text)
    except DECODE_ERRORS:
        return None


def missing_partial_line(claim: PartialLineClaim) -> Finding:
    """Return the finding for a missing half line."""
    message = f"a partial line of {claim.fragment.bytes} bytes, which this record describes, is missing"
    return Finding(FindingKind.MISSING, claim.place, message, claim.chain, claim.seq)


def missing_stop(chain: Chain) -> Finding:
    """Return the finding for a chain without a stop record."""
    message = (
        f"the chain has no stop record after record {chain.head.seq}: the file was truncated, or the writer was "
        "killed or still runs"
    )
    return Finding(FindingKind.TRUNCATED, chain.last, message, chain.name, chain.head.seq)


def missing_line_end(record: ChainRecord, place: LinePosition) -> Finding:
    """Return the finding for a missing line end: a writer that lists a half line has ended that line."""
    return Finding(FindingKind.EDITED, place, "the line end before it is missing", record.chain, record.seq)


def damaged_record_id(text: bytes) -> tuple[str, int | None]:
    """Return the chain and the record number that a damaged line has."""
    chain, seq = CHAIN_PATTERN.search(text), SEQ_PATTERN.search(text)
    return chain[1].decode("ascii") if chain else "", int(seq[1]) if seq else None


def unexplained_text(place: LinePosition, text: bytes) -> Finding:
    """Return the finding for unexplained text: a damaged record or a half line."""
    chain, seq = damaged_record_id(text)
    if text.endswith(b"\r"):
        return Finding(
            FindingKind.EDITED,
            place,
            "the line ends with CR, because the file was copied as text; use --lenient",
            chain,
            seq,
        )
    if seq is not None or text.endswith(b"}"):
        return Finding(FindingKind.EDITED, place, "the line does not match its hash", chain, seq)
    if text == BYTE_ORDER_MARK:
        message = "the file starts with a byte order mark, because it was copied as text; use --lenient"
        return Finding(FindingKind.EDITED, place, message, chain, seq)
    message = (
        f"{counted(len(text), 'byte')} that {'is' if len(text) == 1 else 'are'} not a record, and no record "
        "describes them as a partial line"
    )
    return Finding(FindingKind.TRUNCATED, place, message, chain, seq)
