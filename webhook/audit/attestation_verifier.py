"""Check that chains in one file agree: compare each writer's statements about other chains with the log.

A writer states in signed records the last record of each other chain that it has read. It also states whether these are
all chains that gained a record in the file since its last complete statement (webhook.audit.peer_attestation).  So every named
chain has to be present, and a record in a part that a writer had read completely has to be named.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from msgspec import Struct

from webhook.audit.chain import Link
from webhook.audit.chain_verifier import Chain, ChainRecord
from webhook.audit.findings import Finding, FindingKind, LinePosition
from webhook.audit.peer_attestation import Seen

# The most chains that are compared with statements in total.  Each statement has few; a log above the limit was made to
# take time.
MOST_COMPARED: Final = 1 << 22
# The suffixes that rotation adds to a file's name: the time of webhook.audit.rotation or the number of logrotate, and
# the suffix of compression.
ROTATION_SUFFIX: Final = re.compile(r"(\.\d{8}T\d{6}\.\d{6}Z|[.-]\d+)?(\.gz)?$")


class UnattestedRecords(Struct):
    """The records of a chain that no other chain has named so far, by their line orders and places in the chain."""

    first: int
    first_seq: int
    last: int
    last_seq: int
    place: LinePosition


class SuspectRecord(Struct, frozen=True):
    """A record that a writer should have read and did not."""

    seq: int
    place: LinePosition
    message: str
    is_race: bool  # the record may have been written while the other process began


class AttestationVerifier:
    """Takes the records of all chains and their statements, in the order of the lines."""

    def __init__(self, chains: Mapping[str, Chain]) -> None:
        self._chains = chains
        self._unattested: OrderedDict[str, UnattestedRecords] = OrderedDict()  # in the order of their last lines
        self._read_to: dict[str, int] = {}  # the line that each writer's last complete statement reaches
        self._suspects: dict[str, SuspectRecord] = {}
        self.absent: set[str] = set()  # chains without any record, which have a finding already
        self._compared = 0
        self.notes: list[str] = []

    def add_record(self, record: ChainRecord, place: LinePosition) -> None:
        """Take a record that continues its chain."""
        found = self._unattested.get(record.chain)
        if found is None:
            self._unattested[record.chain] = UnattestedRecords(place.order, record.seq, place.order, record.seq, place)
            return
        found.last, found.last_seq, found.place = place.order, record.seq, place
        self._unattested.move_to_end(record.chain)

    def add_signature(self, chain: str) -> None:
        """Take a valid signature, which proves that the chain's process wrote the chain's earlier records."""
        if chain in self._suspects and self._suspects[chain].is_race:
            del self._suspects[chain]

    def check_start(self, record: ChainRecord, place: LinePosition) -> Iterator[Finding]:
        """Take a start record that states what its process read in the file."""
        if record.seen is None:
            return
        self._read_to[record.chain] = place.order
        previous = record.previous
        if previous is None:
            if record.seen.complete and any(
                log_name(one.place.file) == log_name(place.file) for one in self._last_other_chain(record.chain)
            ):
                self.notes.append(
                    f"chain {record.chain} started in an empty file, but other records are before it: {JOINED_FILES}"
                )
            return
        yield from self._check_named(record, record.seen, place, excluded=previous.chain)
        before = self._chains.get(previous.chain)
        if before is not None and record.seen.complete:
            self._read_to[record.chain] = self._compare_start(record, record.seen, previous, before)
        self._confirm(previous)

    def check_attestation(self, record: ChainRecord, place: LinePosition, reached: int) -> Iterator[Finding]:
        """Take a signed statement; `reached` is the line of the writer's record before it."""
        if record.seen is None:
            return
        yield from self._check_named(record, record.seen, place)
        begin = self._read_to.get(record.chain)
        if begin is None or not (record.seen.complete or record.seen.anew):
            return
        self._read_to[record.chain] = reached
        if record.seen.anew or not self._chains[record.chain].is_whole:  # a missing record may have named them
            return
        message = (
            f"chain {record.chain} had read the file up to this line at its record {record.seq}, and this line was not "
            "in the file"
        )
        for name, one in self._unattested_between(record.chain, begin, place):
            if one.last < reached:
                self._add_suspect(name, one.last_seq, one.place, message)
            elif begin < one.first < reached:
                self._add_suspect(name, one.first_seq, one.place, message)
        if self._compared == MOST_COMPARED:
            self._compared += 1
            yield Finding(FindingKind.INSERTED, place, TOO_MANY_CHAINS, record.chain, record.seq)

    def findings(self) -> Iterator[Finding]:
        """Yield the records that no statement explains."""
        for name, suspect in self._suspects.items():
            yield Finding(FindingKind.INSERTED, suspect.place, suspect.message, name, suspect.seq)

    def _check_named(
        self, record: ChainRecord, attestation: Seen, place: LinePosition, *, excluded: str = ""
    ) -> Iterator[Finding]:
        """Check that the records in a statement are present."""
        for link in attestation.chains:
            if link.chain == excluded:
                continue
            found = self._chains.get(link.chain)
            if found is None:
                yield from self._missing_chain(record, link, place)
            elif kind := found.contradiction(link):
                message = f"record {link.seq} of chain {link.chain} was before it, and is missing now"
                yield Finding(kind, place, message, record.chain, record.seq)
            self._confirm(link)

    def _missing_chain(self, record: ChainRecord, link: Link, place: LinePosition) -> Iterator[Finding]:
        """Yield a finding for a chain without any record, once."""
        if link.chain in self.absent:
            return
        description = f"record {link.seq} of chain {link.chain}"
        if record.type == "start" and record.previous is not None and record.previous.chain not in self._chains:
            self.notes.append(f"{description} was before chain {record.chain}, and none of the files contains it")
        elif self._chains[record.chain].writer is not None:
            self.absent.add(link.chain)
            message = f"{description} was before it, and no record of that chain is there now"
            yield Finding(FindingKind.MISSING, place, message, record.chain, record.seq)

    def _compare_start(self, record: ChainRecord, attestation: Seen, previous: Link, before: Chain) -> int:
        """Check that a start's process had read all earlier records; return the line of the last one it read."""
        reached = before.last.order
        if before.head.seq > previous.seq:
            message = f"record {previous.seq} was the last record of this chain when chain {record.chain} started"
            self._add_suspect(previous.chain, before.head.seq, before.last, message, is_race=True)
            return reached - 1
        message = (
            f"chain {record.chain} had read the file up to this line when it started, and this line was not in the file"
        )
        for link in attestation.chains:
            found = self._chains.get(link.chain)
            if found is not None and found.head.seq > link.seq and found.last.order < reached:
                self._add_suspect(link.chain, found.head.seq, found.last, message)
        since = self._chains.get(attestation.since)
        if since is not None:
            for name, one in self._unattested_between(record.chain, since.first.order, before.last):
                if one.last < reached:
                    self._add_suspect(name, one.last_seq, one.place, message)
        return reached

    def _unattested_between(
        self, own_chain: str, begin: int, place: LinePosition
    ) -> Iterator[tuple[str, UnattestedRecords]]:
        """Yield the chains of the same log that have unnamed records after a line."""
        found = []
        for name, one in reversed(self._unattested.items()):
            if one.last <= begin or self._compared >= MOST_COMPARED:
                break
            self._compared += 1
            if name != own_chain and log_name(one.place.file) == log_name(place.file):
                found.append((name, one))
        yield from found

    def _last_other_chain(self, own_chain: str) -> Iterator[UnattestedRecords]:
        last = next((name for name in reversed(self._unattested) if name != own_chain), None)
        if last is not None:
            yield self._unattested[last]

    def _add_suspect(self, chain: str, seq: int, place: LinePosition, message: str, *, is_race: bool = False) -> None:
        known = self._suspects.get(chain)
        if known is None or known.seq < seq or known.is_race:
            self._suspects[chain] = SuspectRecord(seq, place, message, is_race and (known is None or known.is_race))
        self._unattested.pop(chain, None)

    def _confirm(self, link: Link) -> None:
        """Take a record, and those before it, as read by another process."""
        if link.chain in self._suspects and self._suspects[link.chain].seq <= link.seq:
            del self._suspects[link.chain]
        found = self._unattested.get(link.chain)
        if found is None:
            return
        if found.last_seq <= link.seq:
            del self._unattested[link.chain]
        elif found.first_seq <= link.seq:
            found.first, found.first_seq = found.last, found.last_seq


JOINED_FILES: Final = "several files of one log were joined, or records were inserted"
TOO_MANY_CHAINS: Final = (
    "too many chains are between its statements to compare them: verify a part of the files at a time"
)


@cache
def log_name(path: str) -> str:
    """Return the name of the log that a file belongs to, without the suffixes of rotation and compression."""
    return ROTATION_SUFFIX.sub("", path)
