"""Read the other chains in a process's file, so that its own signed records can state them."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from webhook.audit.chain import RECORD_START, Link, split_line
from webhook.audit.log_tail import link_of
from webhook.audit.rotation import rotated_files

logger = logging.getLogger(__name__)

# How much of a file's end a process reads when it opens the file: about 25,000 records, 20 ms.
OPENING_WINDOW: Final = 1 << 24
BLOCK: Final = 1 << 18
LONGEST_PART: Final = 1 << 24  # of a line whose end is not read yet
# The most chains that one record names. Each takes about 150 bytes.
MOST_NAMED: Final = 64
# A renamed file may still get lines from processes that have not noticed: they check every 5 seconds.
SETTLE_SECONDS: Final = 10.0

CHAIN_KEY: Final = b'"chain":"'
CHAIN_NAME: Final = 32
START: Final = b'"type":"start"'

UNREADABLE_LOG: Final = "cannot read the audit log, so its records do not state what other processes wrote: %s"


class Seen(Struct, frozen=True):
    """The records of other chains that the writer has read in its file since its last statement.

    `complete`: these are all other chains that gained a record in the file between the writer's last complete statement
    and the writer's last record before this one.  A start has no earlier statement: there it means since the start of
    the chain `since`. `anew`: the writer lost sight of the file for a while, and its next complete statement is about
    what comes after this one.
    """

    chains: tuple[Link, ...] = ()  # the last record of each
    complete: bool = False
    anew: bool = False
    since: str = ""


class FileTail:
    """The lines that are added to an open file, read block by block."""

    def __init__(self, descriptor: int, offset: int = 0) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._part = b""  # of a line whose end is not there yet
        self._skipping = offset > 0  # to the next line

    def blocks(self) -> Iterator[bytes]:
        """Yield whole lines, as many at a time as a block has.  Raises OSError."""
        while block := os.pread(self._descriptor, BLOCK, self._offset):
            self._offset += len(block)
            whole, end, part = block.rpartition(b"\n")
            if not end:
                self._add_partial_line(self._part + block)
                continue
            if self._skipping:
                whole, self._skipping = whole.partition(b"\n")[2], False
            yield self._part + whole
            self._part = part

    def _add_partial_line(self, part: bytes) -> None:
        self._skipping = self._skipping or len(part) > LONGEST_PART
        self._part = b"" if self._skipping else part

    def has_path(self, path: Path) -> bool:
        """Return whether the file still has this name.  Raises OSError."""
        return os.path.samestat(path.stat(), os.fstat(self._descriptor))

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class PeerChainReader:
    """Reads what all processes add to one log; safe between threads.

    `last` is the last record that was read in the file.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._tail: FileTail | None = None
        self._renamed: list[
            tuple[FileTail, float]
        ] = []  # renamed files, and until when other processes may write to them
        self._unattested: dict[str, Link] = {}  # read and not stated yet
        self._since = ""  # the first chain in the current file whose start was read
        self._failed = False  # the last look failed; the next one continues where it stopped
        self._lost = False  # this process never reads some lines
        self._has_begun = False
        self.last: Link | None = None

    def follow(self, path: str, descriptor: int) -> None:
        """Read the file under `descriptor` from here on; before the chain begins, read its existing end too."""
        with self._lock:
            try:
                reader = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as bad:
                self._lost = True
                logger.warning(UNREADABLE_LOG, bad)
                return
            state, before = os.fstat(reader), self._tail
            self._lost = not os.path.samestat(state, os.fstat(descriptor))  # another process renamed it in this moment
            self.last, self._since = None, ""
            self._tail = FileTail(reader, 0 if self._has_begun else max(0, state.st_size - OPENING_WINDOW))
            if before is not None and self._has_begun:
                self._renamed += [
                    (tail, monotonic() + SETTLE_SECONDS) for tail in (before, *self._files_between(path, before))
                ]
            elif before is not None:
                before.close()
                self._unattested = {}

    def poll(self) -> None:
        """Read what was added since the last look."""
        with self._lock:
            now = monotonic()
            try:
                for tail, _ in self._renamed:
                    self._read(tail)
                last = self._read(self._tail) if self._tail is not None else None
            except OSError as bad:
                self._failed = True
                logger.warning(UNREADABLE_LOG, bad)
                return
            self._failed, self.last = False, last or self.last
            for tail, until in self._renamed:
                if until <= now:
                    tail.close()
            self._renamed = [(tail, until) for tail, until in self._renamed if until > now]

    def attestation(self, own_chain: str) -> Seen:
        """Return what the chain `own_chain` has to state.  It counts as stated when `confirm` is called."""
        with self._lock:
            self._has_begun = True
            self._unattested.pop(own_chain, None)
            links = [*self._unattested.values()]
            reads_all = len(links) <= MOST_NAMED and not (self._renamed or self._failed)
            chains = tuple(links[-MOST_NAMED:])
            return Seen(chains, reads_all and not self._lost, reads_all and self._lost, self._since)

    def confirm(self, attestation: Seen) -> None:
        """Forget what a record has stated."""
        with self._lock:
            self._lost = self._lost and not attestation.anew
            for link in attestation.chains:
                if self._unattested.get(link.chain) == link:
                    del self._unattested[link.chain]

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            for tail in [tail for tail, _ in self._renamed] + ([self._tail] if self._tail else []):
                tail.close()
            self._renamed, self._tail = [], None

    def _files_between(self, path: str, before: FileTail) -> Iterator[FileTail]:
        """Yield the files between the last read file and the current one, if several were renamed."""
        files = rotated_files(path)
        try:
            index = next(number for number, file in enumerate(files) if before.has_path(file))
            for file in files[index + 1 :]:
                if self._tail is None or not self._tail.has_path(file):
                    yield FileTail(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
        except (OSError, StopIteration):  # the file was moved elsewhere, or renamed by another program
            self._lost = True

    def _read(self, tail: FileTail) -> Link | None:
        """Take what was added to a file; return the last record in it."""
        last: Link | None = None
        for block in tail.blocks():
            links = last_records(block)
            last = next(iter(links), last)
            if tail is self._tail and not self._since:
                self._since = first_started_chain(block)
            for link in reversed(links):
                self._unattested.pop(link.chain, None)  # so that the latest are last
                self._unattested[link.chain] = link
        return last


def attestation_fields(attestation: Seen | None) -> dict[str, object]:
    """Return the fields of a record that state it, as dictionaries, whose keys are written in order."""
    if attestation is None:
        return {}
    restart = {"anew": True} if attestation.anew else {}
    since = {"since": attestation.since} if attestation.since else {}
    return {
        "seen": {"chains": [*map(asdict, attestation.chains)], "complete": attestation.complete, **restart, **since}
    }


def first_started_chain(text: bytes) -> str:
    """Return the chain of the first start record in some lines, or an empty string."""
    at = text.find(START)
    while at >= 0:
        line = text[text.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0]
        link = next((link for piece in split_line(line) if (link := link_of(piece)) and START in piece.text), None)
        if link is not None and link.seq == 0:
            return link.chain
        at = text.find(START, at + 1)
    return ""


def last_records(text: bytes) -> list[Link]:
    """Return the last record of each chain in some lines, in reverse order of the lines."""
    by_chain: dict[bytes, Link] = {}
    for line in reversed(text.split(b"\n")):
        at = line.find(CHAIN_KEY) + len(CHAIN_KEY)
        if line[at : at + CHAIN_NAME] in by_chain and RECORD_START.search(line, 1) is None:
            continue
        for piece in reversed([*split_line(line)]):
            link = link_of(piece)
            if link is not None:
                by_chain.setdefault(link.chain.encode(), link)
    return [*by_chain.values()]
