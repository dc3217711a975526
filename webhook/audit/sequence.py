"""One chain as it is read: what must come next, which key signs, and what of it was found wrong."""

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

# A checkpoint that could not be written is tried again with each record.
MOST_UNSIGNED: Final = CHECKPOINT_RECORDS + 50
# A writer looks every few seconds whether something waits for a signature longer than a minute. One that was suspended meanwhile
# writes records first when it goes on, and signs at its next look.
LONGEST_UNSIGNED: Final = timedelta(minutes=2)
LONGEST_LATE: Final = timedelta(minutes=1)
# Beyond this the log is not damaged but shredded, and each further place says nothing new.
MOST_GAPS: Final = 1000


class Head(Struct, frozen=True, rename="camel"):
    """A record as far as the chain is concerned."""

    chain: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    seq: Annotated[int, Meta(ge=0)]
    prev: str
    hash: str
    type: str
    time: str
    torn: tuple[Fragment, ...] = ()
    lost: int = 0
    phase: str = ""  # of a decision, and whom and what it is about
    user: Caller = Caller()
    verb: str = ""
    object_ref: ObjectRef = ObjectRef()
    writer: Mapping[str, object] = {}  # the rest is of those that are signed
    public_key: str = ""
    certificate: str = ""
    signature: str = ""
    previous: Link | None = None
    seen: Seen | None = None


class Gap(Struct):
    """Records that were jumped over: at which place, to which record, and those that have not come since."""

    place: Place
    to: int
    missing: list[range]

    def fill(self, seq: int) -> bool:
        """Whether a record that comes late belongs here."""
        for index, span in enumerate(self.missing):
            if seq in span:
                parts = (range(span.start, seq), range(seq + 1, span.stop))
                self.missing[index : index + 1] = [part for part in parts if part]
                return True
        return False

    def finding(self, chain: str) -> Finding:
        """What became of it."""
        if not self.missing:
            return Finding(
                Damage.REORDERED, self.place, f"record {self.to} stands before others that it followed", chain, self.to
            )
        spans = ", ".join(spelled(span) for span in self.missing)
        return Finding(Damage.MISSING, self.place, f"before this line {spans} stood", chain, self.missing[0].start)


class Unsigned:
    """How long records wait for a signature, by their own times."""

    __slots__ = ("_late", "_since")

    def __init__(self) -> None:
        self._since: datetime | None = None  # the first that waits
        self._late: datetime | None = None  # the first that came when that one had waited too long

    def signed(self) -> None:
        """Nothing waits any more."""
        self._since = self._late = None

    def waits_too_long(self, at: datetime) -> bool:
        """Take one more that waits; whether its writer went on for long without signing what it had to."""
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
        self.lost = 0  # by the writer's own account
        self.head = Link(name, -1, GENESIS)
        self.writer: Mapping[str, object] | None = None  # None until its start was read
        self.signed = -1  # up to this record a checkpoint vouches
        self.stopped = False
        self.vouched = False
        self.gaps: list[Gap] = []
        self.is_whole = True  # no record of it is missing or damaged so far
        self._key = ""
        self._unsigned = Unsigned()
        self._accused = False  # of having signed nothing for too long
        self._spoilt: set[int] = set()

    def spoil(self, seq: int) -> None:
        """Remember that a record stands there, though not as it was written, which has been told."""
        self.is_whole = False
        if seq > self.head.seq and len(self._spoilt) < MOST_GAPS:
            self._spoilt.add(seq)

    def reached(self, link: Link) -> Damage | None:
        """What is wrong with this chain, if it stood at this link when another one began."""
        if self.head.seq < link.seq:
            return None if link.seq in self._spoilt else Damage.TRUNCATED
        return Damage.FORGED if self.head.seq == link.seq and self.head.hash != link.hash else None

    def follow(self, head: Head, place: Place) -> Iterator[Finding]:
        """Take the next record of this chain, by its place in it."""
        self.last, self.ended, self.records = place, head.time, self.records + 1
        expected = self.head.seq + 1
        if head.seq < expected:
            yield from self._again(head, place)
            return
        if self.stopped:
            yield Finding(Damage.INSERTED, place, "it stands behind the end of its chain", self.name, head.seq)
        if head.seq > expected:
            self._jump(range(expected, head.seq), place)
        if head.seq == expected and head.prev != self.head.hash:
            says = "it does not follow the record before it: one of the two is not the writer's"
            yield Finding(Damage.INSERTED, place, says, self.name, head.seq)
        yield from self._wait(head, place)
        if (head.type == "start") != (head.seq == 0):
            yield Finding(Damage.INSERTED, place, "a chain has one start, as its first record", self.name, head.seq)
        self._spoilt = {seq for seq in self._spoilt if seq > head.seq}
        self.lost += head.lost
        self.head = Link(head.chain, head.seq, head.hash)
        self.stopped = head.type == "stop"

    def _wait(self, head: Head, place: Place) -> Iterator[Finding]:
        """See that its writer signed in time what stands before this record, as far as its key is known."""
        try:
            late = self._unsigned.waits_too_long(datetime.fromisoformat(head.time))
        except (TypeError, ValueError):
            yield Finding(Damage.INSERTED, place, "its time is none", self.name, head.seq)
            return
        if self._key and not self._accused and (late or head.seq - self.signed > MOST_UNSIGNED):
            self._accused = True
            says = f"since record {max(self.signed, 0)} nothing is signed; its writer signs after {CHECKPOINT_RECORDS} records, and after a minute"
            yield Finding(Damage.FORGED, place, says, self.name, head.seq)

    def certify(self, head: Head, record: bytes, place: Place, roots: Sequence[PublicKey]) -> Iterator[Finding]:
        """Take the start, a checkpoint, a new key or the end; a root key has to vouch for each key where there are `roots`."""
        if head.type == "start":
            self.writer = head.writer
        elif self._key and self._has_signed(record, head.signature):
            self.signed, self._accused = head.seq, False
            self._unsigned.signed()
        elif self._key and not self.gaps:  # what is missing may have been a new key
            says = (
                "its signature does not hold: it, or what stands before it since the last checkpoint, was written anew"
            )
            yield Finding(Damage.FORGED, place, says, self.name, head.seq)
        if head.type not in {"start", "key"}:
            return
        self._key = head.public_key
        said = certified_bytes(chain=self.name, public_key=self._key, writer=self.writer or {})
        self.vouched = any(vouches(root, head.certificate, said) for root in roots)
        if roots and not self.vouched and self.writer is not None:
            says = "none of the trusted root keys vouches for the key that signs this chain"
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
        """A record whose place has been passed: one that was jumped over, or one that stood there already."""
        if not any(gap.fill(head.seq) for gap in self.gaps):
            yield Finding(Damage.REPEATED, place, f"record {head.seq} has its place further up", self.name, head.seq)


def spelled(span: range) -> str:
    """Records by their numbers."""
    return f"record {span.start}" if len(span) == 1 else f"records {span.start} to {span.stop - 1}"
