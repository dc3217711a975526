"""Verify one chain during reading: the next record, the key that signs, and the damage found."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from webhook.audit.apiserver import Caller, ObjectRef
from webhook.audit.chain import CHECKPOINT_RECORDS, GENESIS, UNWRITABLE, Fragment, Link, certified_bytes, signed_bytes
from webhook.audit.finding import Damage, Finding, Place
from webhook.audit.keys import PublicKey, vouches
from webhook.audit.witness import Seen

# A failed checkpoint is tried again with each record.
MOST_UNSIGNED: Final = CHECKPOINT_RECORDS + 50
# A writer checks every few seconds whether a record has waited for a signature for more than a minute. A writer that
# was suspended first writes records after it resumes, and signs at its next check.
LONGEST_UNSIGNED: Final = timedelta(minutes=2)
LONGEST_LATE: Final = timedelta(minutes=1)
# Above this number the log is destroyed rather than damaged, and further gaps say nothing new.
MOST_GAPS: Final = 1000


class Head(Struct, frozen=True, rename="camel"):
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
    user: Caller = Caller()
    verb: str = ""
    object_ref: ObjectRef = ObjectRef()
    writer: Mapping[str, object] = {}  # the fields from here on are those of signed records
    public_key: str = ""
    certificate: str = ""
    signature: str = ""
    previous: Link | None = None
    seen: Seen | None = None


class Gap(Struct):
    """A gap in a chain: its place, the record after it, and the records that are still missing."""

    place: Place
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
                Damage.REORDERED, self.place, f"record {self.to} is before records that it followed", chain, self.to
            )
        spans = ", ".join(spelled(span) for span in self.missing)
        return Finding(Damage.MISSING, self.place, f"{spans} stood before this line", chain, self.missing[0].start)


class Unsigned:
    """Measures how long records wait for a signature, by their own times."""

    __slots__ = ("_late", "_since")

    def __init__(self) -> None:
        self._since: datetime | None = None  # the first waiting record
        self._late: datetime | None = None  # the first record that came when that one had waited too long

    def signed(self) -> None:
        """Take a signature, which covers all waiting records."""
        self._since = self._late = None

    def waits_too_long(self, at: datetime) -> bool:
        """Take one more waiting record; return whether its writer continued too long without a due signature."""
        self._since = min(self._since or at, at)
        if at - self._since >= LONGEST_UNSIGNED:
            self._late = min(self._late or at, at)
            return at - self._late >= LONGEST_LATE
        return False


class Chain:
    """One chain, in constant memory."""

    __slots__ = (
        "_accused", "_key", "_spoilt", "_unsigned", "began", "ended", "first", "gaps", "head", "is_whole", "last", "lost", "name", "records",
        "signed", "stopped", "vouched", "writer",
    )  # fmt: skip

    def __init__(self, name: str, place: Place, time: str) -> None:
        self.name = name
        self.first = self.last = place
        self.began = self.ended = time
        self.records = 0
        self.lost = 0  # as the writer's own records say
        self.head = Link(name, -1, GENESIS)
        self.writer: Mapping[str, object] | None = None  # None until the start is read
        self.signed = -1  # a checkpoint covers the records up to this number
        self.stopped = False
        self.vouched = False
        self.gaps: list[Gap] = []
        self.is_whole = True  # no record is missing or damaged so far
        self._key = ""
        self._unsigned = Unsigned()
        self._accused = False  # whether there is a finding about missing signatures since the last one
        self._spoilt: set[int] = set()

    def spoil(self, seq: int) -> None:
        """Remember that a damaged record has this place; its finding exists already."""
        self.is_whole = False
        if seq > self.head.seq and len(self._spoilt) < MOST_GAPS:
            self._spoilt.add(seq)

    def reached(self, link: Link) -> Damage | None:
        """Return what contradicts a statement that this chain ended at this link when another chain began."""
        if self.head.seq < link.seq:
            return None if link.seq in self._spoilt else Damage.TRUNCATED
        return Damage.FORGED if self.head.seq == link.seq and self.head.hash != link.hash else None

    def follow(self, head: Head, place: Place) -> Iterator[Finding]:
        """Take the next record of this chain in the log."""
        self.last, self.ended, self.records = place, head.time, self.records + 1
        expected = self.head.seq + 1
        if head.seq < expected:
            yield from self._again(head, place)
            return
        if self.stopped:
            yield Finding(Damage.INSERTED, place, "it is after the end of its chain", self.name, head.seq)
        if head.seq > expected:
            self._jump(range(expected, head.seq), place)
        if head.seq == expected and head.prev != self.head.hash:
            says = "it does not follow the previous record: the writer did not write one of the two"
            yield Finding(Damage.INSERTED, place, says, self.name, head.seq)
        yield from self._wait(head, place)
        if (head.type == "start") != (head.seq == 0):
            yield Finding(
                Damage.INSERTED, place, "a chain has one start record, which is its first record", self.name, head.seq
            )
        self._spoilt = {seq for seq in self._spoilt if seq > head.seq}
        self.lost += head.lost
        self.head = Link(head.chain, head.seq, head.hash)
        self.stopped = head.type == "stop"

    def _wait(self, head: Head, place: Place) -> Iterator[Finding]:
        """Check that the writer signed the earlier records in time, if its key is known."""
        try:
            late = self._unsigned.waits_too_long(datetime.fromisoformat(head.time))
        except (TypeError, ValueError):
            yield Finding(Damage.INSERTED, place, "its time is not valid", self.name, head.seq)
            return
        if self._key and not self._accused and (late or head.seq - self.signed > MOST_UNSIGNED):
            self._accused = True
            says = (
                f"no record is signed since record {max(self.signed, 0)}; the writer signs after "
                f"{CHECKPOINT_RECORDS} records and after a minute"
            )
            yield Finding(Damage.FORGED, place, says, self.name, head.seq)

    def certify(self, head: Head, record: bytes, place: Place, roots: Sequence[PublicKey]) -> Iterator[Finding]:
        """Take the start, a checkpoint, a new key or the end; one of `roots`, if any, has to certify each key."""
        if head.type == "start":
            self.writer = head.writer
        elif self._key and self._has_signed(record, head.signature):
            self.signed, self._accused = head.seq, False
            self._unsigned.signed()
        elif self._key and not self.gaps:  # a new key may be among the missing records
            says = "its signature is not valid: this record, or a record since the last checkpoint, was changed"
            yield Finding(Damage.FORGED, place, says, self.name, head.seq)
        if head.type not in {"start", "key"}:
            return
        self._key = head.public_key
        said = certified_bytes(chain=self.name, public_key=self._key, writer=self.writer or {})
        self.vouched = any(vouches(root, head.certificate, said) for root in roots)
        if roots and not self.vouched and self.writer is not None:
            says = "no trusted root key signed the key of this chain"
            yield Finding(Damage.FORGED, place, says, self.name, head.seq)

    def _has_signed(self, record: bytes, signature: str) -> bool:
        try:
            message = signed_bytes(msgspec.json.decode(record))
        except UNWRITABLE:
            return False
        return vouches(self._key, signature, message)

    def _jump(self, over: range, place: Place) -> None:
        self.is_whole = False
        gap = Gap(place, over.stop, [over])
        for seq in self._spoilt:
            gap.fill(seq)
        if gap.missing and len(self.gaps) < MOST_GAPS:
            self.gaps.append(gap)

    def _again(self, head: Head, place: Place) -> Iterator[Finding]:
        """Take a record whose place is passed: it fills a gap, or is a repetition."""
        if not any(gap.fill(head.seq) for gap in self.gaps):
            yield Finding(Damage.REPEATED, place, f"record {head.seq} belongs further up", self.name, head.seq)


def spelled(span: range) -> str:
    """Return a description of a span of record numbers."""
    return f"record {span.start}" if len(span) == 1 else f"records {span.start} to {span.stop - 1}"
