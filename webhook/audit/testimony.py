"""Check that chains in one file agree: compare each writer's statements about other chains with the log.

A writer states in signed records the last record of each other chain that it has read. It also states whether these are
all chains that gained a record in the file since its last complete statement (webhook.audit.witness).  So every named
chain has to be present, and a record in a part that a writer had read completely has to be named.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from msgspec import Struct

from webhook.audit.chain import Link
from webhook.audit.finding import Damage, Finding, Place
from webhook.audit.sequence import Chain, Head
from webhook.audit.witness import Seen

# The most chains that are compared with statements in total.  Each statement has few; a log above the limit was made to
# take time.
MOST_COMPARED: Final = 1 << 22
# The suffixes that rotation adds to a file's name: the time of webhook.audit.rotation or the number of logrotate, and
# the suffix of compression.
ROTATED: Final = re.compile(r"(\.\d{8}T\d{6}\.\d{6}Z|[.-]\d+)?(\.gz)?$")


class Unnamed(Struct):
    """The records of a chain that no other chain has named so far, by their line orders and places in the chain."""

    first: int
    first_seq: int
    last: int
    last_seq: int
    place: Place


class Doubt(Struct, frozen=True):
    """A record that a writer should have read and did not."""

    seq: int
    place: Place
    says: str
    is_race: bool  # the record may have been written while the other process began


class Testimony:
    """Takes the records of all chains and their statements, in the order of the lines."""

    def __init__(self, chains: Mapping[str, Chain]) -> None:
        self._chains = chains
        self._unnamed: OrderedDict[str, Unnamed] = OrderedDict()  # in the order of their last lines
        self._read_to: dict[str, int] = {}  # the line that each writer's last complete statement reaches
        self._doubts: dict[str, Doubt] = {}
        self.absent: set[str] = set()  # chains without any record, which have a finding already
        self._compared = 0
        self.notes: list[str] = []

    def stands(self, head: Head, place: Place) -> None:
        """Take a record that continues its chain."""
        found = self._unnamed.get(head.chain)
        if found is None:
            self._unnamed[head.chain] = Unnamed(place.order, head.seq, place.order, head.seq, place)
            return
        found.last, found.last_seq, found.place = place.order, head.seq, place
        self._unnamed.move_to_end(head.chain)

    def signed(self, chain: str) -> None:
        """Take a valid signature, which proves that the chain's process wrote the chain's earlier records."""
        if chain in self._doubts and self._doubts[chain].is_race:
            del self._doubts[chain]

    def began(self, head: Head, place: Place) -> Iterator[Finding]:
        """Take a start record that states what its process read in the file."""
        if head.seen is None:
            return
        self._read_to[head.chain] = place.order
        previous = head.previous
        if previous is None:
            if head.seen.complete and any(
                family(one.place.file) == family(place.file) for one in self._others(head.chain)
            ):
                self.notes.append(
                    f"chain {head.chain} started in an empty file, but other records are before it: {JOINED}"
                )
            return
        yield from self._named(head, head.seen, place, but=previous.chain)
        before = self._chains.get(previous.chain)
        if before is not None and head.seen.complete:
            self._read_to[head.chain] = self._compare_start(head, head.seen, previous, before)
        self._confirm(previous)

    def stated(self, head: Head, place: Place, reached: int) -> Iterator[Finding]:
        """Take a signed statement; `reached` is the line of the writer's record before it."""
        if head.seen is None:
            return
        yield from self._named(head, head.seen, place)
        begin = self._read_to.get(head.chain)
        if begin is None or not (head.seen.complete or head.seen.anew):
            return
        self._read_to[head.chain] = reached
        if head.seen.anew or not self._chains[head.chain].is_whole:  # a missing record may have named them
            return
        says = (
            f"chain {head.chain} had read the file up to this line at its record {head.seq}, and this line was not "
            "in the file"
        )
        for name, one in self._between(head.chain, begin, place):
            if one.last < reached:
                self._doubt(name, one.last_seq, one.place, says)
            elif begin < one.first < reached:
                self._doubt(name, one.first_seq, one.place, says)
        if self._compared == MOST_COMPARED:
            self._compared += 1
            yield Finding(Damage.INSERTED, place, TOO_MANY, head.chain, head.seq)

    def findings(self) -> Iterator[Finding]:
        """Yield the records that no statement explains."""
        for name, doubt in self._doubts.items():
            yield Finding(Damage.INSERTED, doubt.place, doubt.says, name, doubt.seq)

    def _named(self, head: Head, seen: Seen, place: Place, *, but: str = "") -> Iterator[Finding]:
        """Check that the records in a statement are present."""
        for link in seen.chains:
            if link.chain == but:
                continue
            found = self._chains.get(link.chain)
            if found is None:
                yield from self._gone(head, link, place)
            elif damage := found.reached(link):
                says = f"record {link.seq} of chain {link.chain} was before it, and is missing now"
                yield Finding(damage, place, says, head.chain, head.seq)
            self._confirm(link)

    def _gone(self, head: Head, link: Link, place: Place) -> Iterator[Finding]:
        """Yield a finding for a chain without any record, once."""
        if link.chain in self.absent:
            return
        what = f"record {link.seq} of chain {link.chain}"
        if head.type == "start" and head.previous is not None and head.previous.chain not in self._chains:
            self.notes.append(f"{what} was before chain {head.chain}, and none of the files contains it")
        elif self._chains[head.chain].writer is not None:
            self.absent.add(link.chain)
            says = f"{what} was before it, and no record of that chain is there now"
            yield Finding(Damage.MISSING, place, says, head.chain, head.seq)

    def _compare_start(self, head: Head, seen: Seen, previous: Link, before: Chain) -> int:
        """Check that a start's process had read all earlier records; return the line of the last one it read."""
        reached = before.last.order
        if before.head.seq > previous.seq:
            says = f"record {previous.seq} was the last record of this chain when chain {head.chain} started"
            self._doubt(previous.chain, before.head.seq, before.last, says, is_race=True)
            return reached - 1
        says = (
            f"chain {head.chain} had read the file up to this line when it started, and this line was not in the file"
        )
        for link in seen.chains:
            found = self._chains.get(link.chain)
            if found is not None and found.head.seq > link.seq and found.last.order < reached:
                self._doubt(link.chain, found.head.seq, found.last, says)
        since = self._chains.get(seen.since)
        if since is not None:
            for name, one in self._between(head.chain, since.first.order, before.last):
                if one.last < reached:
                    self._doubt(name, one.last_seq, one.place, says)
        return reached

    def _between(self, own: str, begin: int, place: Place) -> Iterator[tuple[str, Unnamed]]:
        """Yield the chains of the same log that have unnamed records after a line."""
        found = []
        for name, one in reversed(self._unnamed.items()):
            if one.last <= begin or self._compared >= MOST_COMPARED:
                break
            self._compared += 1
            if name != own and family(one.place.file) == family(place.file):
                found.append((name, one))
        yield from found

    def _others(self, own: str) -> Iterator[Unnamed]:
        last = next((name for name in reversed(self._unnamed) if name != own), None)
        if last is not None:
            yield self._unnamed[last]

    def _doubt(self, chain: str, seq: int, place: Place, says: str, *, is_race: bool = False) -> None:
        known = self._doubts.get(chain)
        if known is None or known.seq < seq or known.is_race:
            self._doubts[chain] = Doubt(seq, place, says, is_race and (known is None or known.is_race))
        self._unnamed.pop(chain, None)

    def _confirm(self, link: Link) -> None:
        """Take a record, and those before it, as read by another process."""
        if link.chain in self._doubts and self._doubts[link.chain].seq <= link.seq:
            del self._doubts[link.chain]
        found = self._unnamed.get(link.chain)
        if found is None:
            return
        if found.last_seq <= link.seq:
            del self._unnamed[link.chain]
        elif found.first_seq <= link.seq:
            found.first, found.first_seq = found.last, found.last_seq


JOINED: Final = "several files of one log were joined, or records were inserted"
TOO_MANY: Final = "too many chains are between its statements to compare them: verify a part of the files at a time"


@cache
def family(path: str) -> str:
    """Return the name of the log that a file belongs to, without the suffixes of rotation and compression."""
    return ROTATED.sub("", path)
