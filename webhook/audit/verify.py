"""Verify that a log is what its writers wrote: record by record, with constant memory for each chain."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from webhook.audit.chain import NOT_JSON, Piece, is_half, pieces
from webhook.audit.copies import BYTE_ORDER_MARK, rewritten, was_record
from webhook.audit.finding import Damage, Finding, Place
from webhook.audit.fragments import Claim, Fragments
from webhook.audit.keys import PublicKey
from webhook.audit.reading import Line
from webhook.audit.sequence import Chain, Head
from webhook.audit.testimony import Testimony, family
from webhook.model.counting import counted

MOST_FINDINGS: Final = 1000
MOST_NOTES: Final = 100
# Each process that ever wrote has one chain; a chain takes some kilobytes.
MOST_CHAINS: Final = 20_000
SIGNED: Final = frozenset({"start", "checkpoint", "key", "stop"})
# A damaged line may still have the chain and the number of its record.
CHAIN_IN: Final = re.compile(rb'"chain"\s*:\s*"([0-9a-f]{32})"')
SEQ_IN: Final = re.compile(rb'"seq"\s*:\s*(\d{1,15})\b')

PREFIXED: Final = "most lines have other text before the record, as journald and docker compose add it: use --lenient"
HEADS: Final = msgspec.json.Decoder(Head)


class Report(Struct, frozen=True):
    """The result: each chain, each damage in the order of the lines, and the number of further damages."""

    chains: tuple[Chain, ...]
    findings: tuple[Finding, ...]
    untold: int
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

    def joined(self, findings: Iterable[Finding], notes: Iterable[str]) -> "Report":
        """Return this report with the findings and notes of another check."""
        found = [*self.findings, *findings]
        untold = self.untold + len(found[MOST_FINDINGS:])
        return Report(self.chains, tuple(found[:MOST_FINDINGS]), untold, (*self.notes, *notes), self.is_log)


class Verifier:
    """Takes lines in order, and reports what is wrong with them.

    `roots` are the root keys that have to certify the chains' keys, if any. `closed` requires a stop record at the end
    of each chain. `lenient` accepts copies that a collector rewrote, if they say the same.
    """

    def __init__(self, *, roots: Sequence[PublicKey] = (), closed: bool = False, lenient: bool = False) -> None:
        self._roots = roots
        self._closed = closed
        self._pieces = rewritten if lenient else pieces
        self._lenient = lenient
        self._chains: dict[str, Chain] = {}
        self._testimony = Testimony(self._chains)
        self._fragments = Fragments()
        self._findings: list[Finding] = []
        self._untold = 0
        self._notes: list[str] = []
        self._order = 0
        self._prefixed = 0  # lines with other text before their record
        self._was_log = False  # whether a line looks like a damaged record
        self._logs: set[str] = set()  # the logs with a record; files that were put aside count as one log

    def take(self, line: Line) -> list[Head]:
        """Check one line; return the records in it that match their hashes."""
        self._order += 1
        place = Place(line.file, line.number, self._order)
        if line.is_too_long:
            self._spoilt(place, line.text, f"the line has {line.size} bytes and is longer than any record")
            return []
        heads = [self._piece(piece, place) for piece in self._pieces(line.text)]
        if not heads and not self._lenient:
            self._fragments.empty(place)
        if len(heads) > 1:
            self._prefixed += heads[0] is None and heads[1] is not None
            if not self._lenient:
                self._fragments.joined(place, [head.chain if head else None for head in heads])
            self._found(*(begins_no_line(head, place) for head in heads[1:] if head and head.torn))
        if heads and heads[-1] and not line.ended and not self._lenient:
            self._found(Finding(Damage.TRUNCATED, place, "its line end is missing", heads[-1].chain, heads[-1].seq))
        return [head for head in heads if head]

    def finish(self) -> Report:
        """Return the report; nothing is taken after that."""
        chains = tuple(self._chains.values())
        gaps = (gap.finding(chain.name) for chain in chains for gap in chain.gaps)
        unexplained = (*self._unexplained(), *self._testimony.findings())
        found = sorted([*self._findings, *gaps, *unexplained], key=lambda finding: finding.place.order)
        if self._closed:  # findings about missing ends come last
            found += [cut(chain) for chain in chains if not chain.stopped]
        if 2 * self._prefixed > self._order:
            self._notes.append(PREFIXED)
        notes = (*self._notes, *self._testimony.notes, *(note for chain in chains for note in remarks(chain)))
        untold = (f"and {counted(len(notes) - MOST_NOTES, 'more note')}",) if len(notes) > MOST_NOTES else ()
        return Report(
            chains,
            tuple(found[:MOST_FINDINGS]),
            self._untold + len(found[MOST_FINDINGS:]),
            (*notes[:MOST_NOTES], *untold),
            is_log=bool(chains) or self._was_log,
        )

    def _found(self, *findings: Finding) -> None:
        room = MOST_FINDINGS - len(self._findings)
        self._findings += findings[:room]
        self._untold += len(findings[room:])

    def _piece(self, piece: Piece, place: Place) -> Head | None:
        """Check a piece; return its record, or None if it is no record."""
        head = head_of(piece)
        if head is not None:
            self._record(head, piece.text, place)
            return head
        self._was_log = self._was_log or was_record(piece.text)
        if is_half(piece.text) and self._fragments.add(place, piece.text):
            return None
        self._spoilt(place, piece.text)
        return None

    def _spoilt(self, place: Place, text: bytes, says: str = "") -> None:
        """Take a line that is no record, though it may have been one."""
        self._was_log = self._was_log or was_record(text)
        chain, seq = told_of(text)
        if seq is not None and chain in self._chains:
            self._chains[chain].spoil(seq)
        self._found(Finding(Damage.EDITED, place, says, chain, seq) if says else no_record(place, text))

    def _record(self, head: Head, text: bytes, place: Place) -> None:
        chain = self._chains.get(head.chain)
        if chain is None:
            if len(self._chains) == MOST_CHAINS:
                says = (
                    f"the log has more than {MOST_CHAINS} chains, which is the limit: verify a part of its "
                    "files at a time"
                )
                self._found(Finding(Damage.INSERTED, place, says, head.chain, head.seq))
                return
            chain = self._chains[head.chain] = Chain(head.chain, place, head.time)
        reached = chain.last.order
        self._judged(chain, chain.follow(head, place))
        continues = chain.head.seq == head.seq
        for one in head.torn:
            self._fragments.own(Claim(place, head.chain, head.seq, one))
        if continues:
            self._testimony.stands(head, place)
        if head.type in SIGNED and continues:
            holds = self._judged(chain, chain.certify(head, text, place, self._roots))
            self._found(*self._before(head, place))
            if not self._lenient:
                self._found(*self._stated(head, place, reached, holds=holds))
        self._logs.add(family(place.file))

    def _judged(self, chain: Chain, findings: Iterator[Finding]) -> bool:
        """Take the findings of a chain; return whether there are none."""
        found = [*findings]
        self._found(*found)
        chain.is_whole = chain.is_whole and not found
        return not found

    def _stated(self, head: Head, place: Place, reached: int, *, holds: bool) -> Iterator[Finding]:
        """Check a writer's statement about other chains."""
        if head.type == "start":
            yield from self._testimony.began(head, place)
        elif holds:
            self._testimony.signed(head.chain)
            yield from self._testimony.stated(head, place, reached)

    def _before(self, head: Head, place: Place) -> Iterator[Finding]:
        """Check that the record that was last when a chain began is present."""
        link = head.previous
        if link is None:
            return
        found = self._chains.get(link.chain)
        what = f"record {link.seq} of chain {link.chain}"
        if found is not None:
            if damage := found.reached(link):
                yield Finding(damage, place, f"{what} was before it, and is missing now", head.chain, head.seq)
        elif family(place.file) in self._logs:
            self._testimony.absent.add(link.chain)
            yield Finding(
                Damage.MISSING, place, f"{what} was before it, and no record of that chain is there now", head.chain, 0
            )
        else:
            self._notes.append(f"{place.file} continues after {what}, which is missing from the files before it")

    def _unexplained(self) -> Iterator[Finding]:
        loose, claims, ends = self._fragments.left()
        yield from (no_record(one.place, one.text) for one in loose)
        yield from map(no_fragment, claims)
        yield from (Finding(Damage.EDITED, place, "a line end is missing or was added") for place in ends)


def remarks(chain: Chain) -> Iterator[str]:
    """Yield what a writer reports of lost records, and what its chain rests on."""
    if chain.lost:
        yield f"chain {chain.name} states that it lacks the records of {counted(chain.lost, 'admitted request')}"
    if chain.writer is None:
        yield f"the start of chain {chain.name} is missing, so its signatures cannot be checked"
    elif chain.signed < 0:
        yield (
            f"chain {chain.name} has no signature: its {counted(chain.records, 'record')} are protected only by hashes"
        )


def head_of(piece: Piece) -> Head | None:
    """Return the record of a piece, or None if it is no record or has another format."""
    if not piece.is_record:
        return None
    try:
        return HEADS.decode(piece.text)
    except NOT_JSON:
        return None


def no_fragment(claim: Claim) -> Finding:
    """Return the finding for a missing half line."""
    says = f"a partial line of {claim.fragment.bytes} bytes, which this record describes, is missing"
    return Finding(Damage.MISSING, claim.place, says, claim.chain, claim.seq)


def cut(chain: Chain) -> Finding:
    """Return the finding for a chain without a stop record."""
    says = (
        f"the chain has no stop record after record {chain.head.seq}: the file was truncated, or the writer was "
        "killed or still runs"
    )
    return Finding(Damage.TRUNCATED, chain.last, says, chain.name, chain.head.seq)


def begins_no_line(head: Head, place: Place) -> Finding:
    """Return the finding for a missing line end: a writer that lists a half line has ended that line."""
    return Finding(Damage.EDITED, place, "the line end before it is missing", head.chain, head.seq)


def told_of(text: bytes) -> tuple[str, int | None]:
    """Return the chain and the record number that a damaged line has."""
    chain, seq = CHAIN_IN.search(text), SEQ_IN.search(text)
    return chain[1].decode("ascii") if chain else "", int(seq[1]) if seq else None


def no_record(place: Place, text: bytes) -> Finding:
    """Return the finding for unexplained text: a damaged record or a half line."""
    chain, seq = told_of(text)
    if text.endswith(b"\r"):
        return Finding(
            Damage.EDITED,
            place,
            "the line ends with CR, because the file was copied as text; use --lenient",
            chain,
            seq,
        )
    if seq is not None or text.endswith(b"}"):
        return Finding(Damage.EDITED, place, "the line does not match its hash", chain, seq)
    if text == BYTE_ORDER_MARK:
        says = "the file starts with a byte order mark, because it was copied as text; use --lenient"
        return Finding(Damage.EDITED, place, says, chain, seq)
    says = (
        f"{counted(len(text), 'byte')} that {'is' if len(text) == 1 else 'are'} not a record, and no record "
        "describes them as a partial line"
    )
    return Finding(Damage.TRUNCATED, place, says, chain, seq)
