"""Verify one chain during reading: the next record, the key that signs, and the damage found."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from webhook.audit.api_server_events import EventObjectRef, EventUser
from webhook.audit.chain import (
    CHECKPOINT_RECORDS,
    ENCODE_ERRORS,
    GENESIS,
    Fragment,
    Link,
    certified_bytes,
    signed_bytes,
)
from webhook.audit.findings import Finding, FindingKind, LinePosition
from webhook.audit.keys import PublicKey, is_signed_by
from webhook.audit.peer_attestation import Seen

# A failed checkpoint is tried again with each record.
MOST_UNSIGNED: Final = CHECKPOINT_RECORDS + 50
# A writer checks every few seconds whether a record has waited for a signature for more than a minute. A writer that
# was suspended first writes records after it resumes, and signs at its next check.
LONGEST_UNSIGNED: Final = timedelta(minutes=2)
LONGEST_DELAY: Final = timedelta(minutes=1)
# Above this number the log is destroyed rather than damaged, and further gaps say nothing new.
MOST_GAPS: Final = 1000


class ChainRecord(Struct, frozen=True, rename="camel"):
    """The fields of a record that concern its chain."""

    chain: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    seq: Annotated[int, Meta(ge=0)]
    prev: str
    hash: str
    type: str
    time: str
    torn: tuple[Fragment, ...] = ()
    lost: int = 0
    phase: str = ""  # of a decision, with its user and object
    user: EventUser = EventUser()
    verb: str = ""
    object_ref: EventObjectRef = EventObjectRef()
    writer: Mapping[str, object] = {}  # the fields from here on are those of signed records
    public_key: str = ""
    certificate: str = ""
    signature: str = ""
    previous: Link | None = None
    seen: Seen | None = None


class Gap(Struct):
    """A gap in a chain: its place, the record after it, and the records that are still missing."""

    place: LinePosition
    to: int
    missing: list[range]

    def fill(self, seq: int) -> bool:
        """Remove a late record from the gap; return whether it was missing there."""
        for index, span in enumerate(self.missing):
            if seq in span:
                parts = (range(span.start, seq), range(seq + 1, span.stop))
                self.missing[index : index + 1] = [part for part in parts if part]
                return True
        return False

    def finding(self, chain: str) -> Finding:
        """Return the finding for this gap."""
        if not self.missing:
            return Finding(
                FindingKind.REORDERED,
                self.place,
                f"record {self.to} is before records that it followed",
                chain,
                self.to,
            )
        spans = ", ".join(describe_range(span) for span in self.missing)
        return Finding(FindingKind.MISSING, self.place, f"{spans} stood before this line", chain, self.missing[0].start)


class UnsignedTimer:
    """Measures how long records wait for a signature, by their own times."""

    __slots__ = ("_late", "_since")

    def __init__(self) -> None:
        self._since: datetime | None = None  # the first waiting record
        self._late: datetime | None = None  # the first record that came when that one had waited too long

    def reset(self) -> None:
        """Take a signature, which covers all waiting records."""
        self._since = self._late = None

    def is_overdue(self, at: datetime) -> bool:
        """Take one more waiting record; return whether its writer continued too long without a due signature."""
        self._since = min(self._since or at, at)
        if at - self._since >= LONGEST_UNSIGNED:
            self._late = min(self._late or at, at)
            return at - self._late >= LONGEST_DELAY
        return False


class Chain:
    """One chain, in constant memory."""

    __slots__ = (
        "_damaged", "_has_late_finding", "_key", "_unsigned", "began", "ended", "first", "gaps", "head",
        "is_key_certified", "is_stopped", "is_whole", "last", "lost", "name", "records", "signed_to", "writer",
    )  # fmt: skip

    def __init__(self, name: str, place: LinePosition, time: str) -> None:
        self.name = name
        self.first = self.last = place
        self.began = self.ended = time
        self.records = 0
        self.lost = 0  # as the writer's own records say
        self.head = Link(name, -1, GENESIS)
        self.writer: Mapping[str, object] | None = None  # None until the start is read
        self.signed_to = -1  # a checkpoint covers the records up to this number
        self.is_stopped = False
        self.is_key_certified = False
        self.gaps: list[Gap] = []
        self.is_whole = True  # no record is missing or damaged so far
        self._key = ""
        self._unsigned = UnsignedTimer()
        self._has_late_finding = False  # whether there is a finding about missing signatures since the last one
        self._damaged: set[int] = set()

    def mark_damaged(self, seq: int) -> None:
        """Remember that a damaged record has this place; its finding exists already."""
        self.is_whole = False
        if seq > self.head.seq and len(self._damaged) < MOST_GAPS:
            self._damaged.add(seq)

    def contradiction(self, link: Link) -> FindingKind | None:
        """Return what contradicts a statement that this chain ended at this link when another chain began."""
        if self.head.seq < link.seq:
            return None if link.seq in self._damaged else FindingKind.TRUNCATED
        return FindingKind.FORGED if self.head.seq == link.seq and self.head.hash != link.hash else None

    def add(self, record: ChainRecord, place: LinePosition) -> Iterator[Finding]:
        """Take the next record of this chain in the log."""
        self.last, self.ended, self.records = place, record.time, self.records + 1
        expected = self.head.seq + 1
        if record.seq < expected:
            yield from self._check_repeated(record, place)
            return
        if self.is_stopped:
            yield Finding(FindingKind.INSERTED, place, "it is after the end of its chain", self.name, record.seq)
        if record.seq > expected:
            self._add_gap(range(expected, record.seq), place)
        if record.seq == expected and record.prev != self.head.hash:
            message = "it does not follow the previous record: the writer did not write one of the two"
            yield Finding(FindingKind.INSERTED, place, message, self.name, record.seq)
        yield from self._check_delay(record, place)
        if (record.type == "start") != (record.seq == 0):
            yield Finding(
                FindingKind.INSERTED,
                place,
                "a chain has one start record, which is its first record",
                self.name,
                record.seq,
            )
        self._damaged = {seq for seq in self._damaged if seq > record.seq}
        self.lost += record.lost
        self.head = Link(record.chain, record.seq, record.hash)
        self.is_stopped = record.type == "stop"

    def _check_delay(self, record: ChainRecord, place: LinePosition) -> Iterator[Finding]:
        """Check that the writer signed the earlier records in time, if its key is known."""
        try:
            is_overdue = self._unsigned.is_overdue(datetime.fromisoformat(record.time))
        except (TypeError, ValueError):
            yield Finding(FindingKind.INSERTED, place, "its time is not valid", self.name, record.seq)
            return
        if self._key and not self._has_late_finding and (is_overdue or record.seq - self.signed_to > MOST_UNSIGNED):
            self._has_late_finding = True
            message = (
                f"no record is signed since record {max(self.signed_to, 0)}; the writer signs after "
                f"{CHECKPOINT_RECORDS} records and after a minute"
            )
            yield Finding(FindingKind.FORGED, place, message, self.name, record.seq)

    def check_signature(
        self, record: ChainRecord, line: bytes, place: LinePosition, roots: Sequence[PublicKey]
    ) -> Iterator[Finding]:
        """Take the start, a checkpoint, a new key or the end; one of `roots`, if any, has to certify each key."""
        if record.type == "start":
            self.writer = record.writer
        elif self._key and self._is_signature_valid(line, record.signature):
            self.signed_to, self._has_late_finding = record.seq, False
            self._unsigned.reset()
        elif self._key and not self.gaps:  # a new key may be among the missing records
            message = "its signature is not valid: this record, or a record since the last checkpoint, was changed"
            yield Finding(FindingKind.FORGED, place, message, self.name, record.seq)
        if record.type not in {"start", "key"}:
            return
        self._key = record.public_key
        certified = certified_bytes(chain=self.name, public_key=self._key, writer=self.writer or {})
        self.is_key_certified = any(is_signed_by(root, record.certificate, certified) for root in roots)
        if roots and not self.is_key_certified and self.writer is not None:
            message = "no trusted root key signed the key of this chain"
            yield Finding(FindingKind.FORGED, place, message, self.name, record.seq)

    def _is_signature_valid(self, line: bytes, signature: str) -> bool:
        try:
            message = signed_bytes(msgspec.json.decode(line))
        except ENCODE_ERRORS:
            return False
        return is_signed_by(self._key, signature, message)

    def _add_gap(self, missing: range, place: LinePosition) -> None:
        self.is_whole = False
        gap = Gap(place, missing.stop, [missing])
        for seq in self._damaged:
            gap.fill(seq)
        if gap.missing and len(self.gaps) < MOST_GAPS:
            self.gaps.append(gap)

    def _check_repeated(self, record: ChainRecord, place: LinePosition) -> Iterator[Finding]:
        """Take a record whose place is passed: it fills a gap, or is a repetition."""
        if not any(gap.fill(record.seq) for gap in self.gaps):
            yield Finding(FindingKind.REPEATED, place, f"record {record.seq} belongs further up", self.name, record.seq)


def describe_range(span: range) -> str:
    """Return a description of a span of record numbers."""
    return f"record {span.start}" if len(span) == 1 else f"records {span.start} to {span.stop - 1}"
