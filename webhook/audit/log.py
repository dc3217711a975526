"""The audit log of one process: its own chain of records, with signed checkpoints."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from threading import Event, Lock, Thread
from typing import Final, cast

from msgspec.structs import asdict, replace

from webhook import __version__
from webhook.audit.bounds import MOST_TORN, bounded
from webhook.audit.chain import CHECKPOINT_RECORDS, GENESIS, Link, canonical, seal
from webhook.audit.keeping import UNOBSERVED, Durability, Failure, Keeping, Observer
from webhook.audit.keys import BadKey, WriterKey
from webhook.audit.queued import Queued
from webhook.audit.record import stamp, utc_now
from webhook.audit.schema import VERSION, Pod, Writer
from webhook.audit.sink import AuditLogUnwritable, Sink
from webhook.audit.witness import Seen, as_said

logger = logging.getLogger(__name__)

CHECKPOINT_AFTER: Final = timedelta(seconds=60)
KEY_LIFE: Final = timedelta(days=1)
LONGEST_NAME: Final = 253  # of an object (apimachinery, pkg/util/validation: DNS-1123 subdomain)
LOOK_SECONDS: Final = 5.0

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
POD: Final = {"namespace": "POD_NAMESPACE", "name": "POD_NAME", "uid": "POD_UID"}  # the chart sets these variables
NODE: Final = "NODE_NAME"

USUAL: Final = Keeping()


class AuditLog:
    """Appends records to a file, or to standard output if there is no path; safe to share between threads.

    The chain begins with the first record, so the log must be created after a fork.  A record that could not be written
    is not part of the chain.  `root` certifies the chain's keys.  Raises OSError if the file cannot be opened, BadKey
    for a bad root key.
    """

    def __init__(
        self,
        path: str | None,
        *,
        process: str,
        root: Path | None = None,
        keeping: Keeping = USUAL,
        observer: Observer = UNOBSERVED,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.may_block = keeping.durability is Durability.SYNCED  # for as long as the disk needs
        self._file = Sink(path, rotation=keeping.rotation, synced=self.may_block, observer=observer, now=now)
        is_queued = keeping.durability is Durability.BEST_EFFORT
        self._sink = Queued(self._file, queued=observer.queued) if is_queued else self._file
        self._copy = Queued(Sink(None, patience=None)) if keeping.copy else None
        self._is_queued = is_queued
        self._admits = is_queued or keeping.failure is Failure.ADMIT
        self._observer = observer
        self._root = root
        self._now = now
        self._lock = Lock()
        self._ended = Event()
        self._failing = False
        self._lost = 0  # lost records that no record has reported yet
        self._chain = token_hex(16)
        self._writer = writer(process)
        self._key = self._new_key()
        self._key_since = self._stated_at = now()
        self._seq, self._prev = 0, GENESIS  # of the next record
        self._signed = 0  # a checkpoint covers all records before this number

    def append(self, record: Mapping[str, object], *, settled: bool = True) -> Link | None:
        """Write one record with the configured durability. If not `settled`, do not wait for the disk.

        Return None if the record could not be written and the configuration admits such requests; otherwise raise
        AuditLogUnwritable.
        """
        with self._lock:
            if self._ended.is_set():
                raise AuditLogUnwritable("the log is closed, because this process ends")
            try:
                link = self._append(record)
            except AuditLogUnwritable as bad:
                self._failed(bad)
                if not self._admits:
                    raise
                self._lost += 1
                self._observer.lost()
                return None
            line = self._file.written
        if settled and self.may_block:
            self._settle(line)
        return link

    @property
    def writable(self) -> bool:
        """Return whether the last record could be written, or requests without a record are admitted."""
        return self._admits or not self._failing

    def start(self) -> None:
        """Start a thread that makes checkpoints and new keys on time."""
        Thread(target=self._watch, name="audit", daemon=True).start()

    def look(self) -> None:
        """Write what is due now.  Raises AuditLogUnwritable, BadKey."""
        if self._sink.witness is not None:
            self._sink.witness.look()  # without the lock, as there may be much to read
        if self._failing:
            self._probe()
        with self._lock:
            if not self._seq or self._ended.is_set():
                return
            self._sink.look()
            try:
                if self._is_over(self._key_since, KEY_LIFE):
                    self._change_key()
            finally:  # without a new key, the old one continues to sign
                if self._seq > self._signed and self._is_over(self._stated_at, CHECKPOINT_AFTER):
                    self._state({"type": "checkpoint"})

    def _probe(self) -> None:
        """Try to write a record after a failure: a replica that is not ready gets no requests.

        Raises AuditLogUnwritable.
        """
        with self._lock:
            if self._ended.is_set():
                return
            self._sink.look()
            if self._seq:
                self._state({"type": "checkpoint"})
            else:
                self._begin()
            line = self._file.written
        if self.may_block:
            self._settle(line)

    def _is_over(self, since: datetime, span: timedelta) -> bool:
        """Return whether a period has passed, or the clock was put back, which makes the period unknown."""
        return not timedelta() <= self._now() - since < span

    def stop(self) -> None:
        """Write the stop record if possible, and close the log."""
        with self._lock:
            if self._ended.is_set():
                return
            self._ended.set()
            try:
                self._end()
            except AuditLogUnwritable as bad:
                logger.error("cannot write the stop record of the audit log: %s", bad)  # noqa: TRY400 (it says where)
        self._sink.close()
        if self._copy is not None:
            self._copy.close()

    def _end(self) -> None:
        if (self._sink.torn or self._lost) and not self._seq:
            self._begin()  # the start record reports what could not be written
        if self._seq:
            self._state({"type": "stop"})

    def _append(self, record: Mapping[str, object]) -> Link:
        if not self._seq:
            self._begin()
        link = self._write(record)
        if self._seq - self._signed >= CHECKPOINT_RECORDS:
            with suppress(AuditLogUnwritable):  # the next record tries the checkpoint again
                self._write_signed({"type": "checkpoint"})
        return link

    def _settle(self, line: int) -> None:
        try:
            self._file.settle(line)
            self._recovered()
        except AuditLogUnwritable as bad:
            self._failed(bad)
            if not self._admits:
                raise

    def _failed(self, bad: AuditLogUnwritable) -> None:
        self._observer.failed()
        if not self._failing:  # once, not for each request
            then = "requests are admitted without a record" if self._admits else "requests are rejected meanwhile"
            logger.error("cannot write the audit log, %s: %s", then, bad)
        self._failing = True

    def _recovered(self) -> None:
        if self._failing:
            logger.warning("the audit log is writable again")
            self._failing = False

    def _begin(self) -> None:
        # The lock keeps other processes from a start between the look at the file's end and the record that states it.
        with nullcontext() if self._is_queued else self._file.alone():
            seen = self._seen()
            last = (self._sink.witness.last if self._sink.witness else None) or self._sink.last
            if last is None and seen is not None and (last := self._file.last_put_aside()) is not None:
                seen = replace(seen, complete=False)  # this process did not read the file before this one
            previous = {} if last is None else {"previous": asdict(last)}
            start = {"type": "start", "time": stamp(self._now()), "writer": self._writer, **self._key.told()}
            self._write({**start, **previous, **as_said(seen)})
        self._stated(seen)

    def _state(self, record: Mapping[str, object]) -> None:
        """Write a signed record that also states what other processes wrote to the file."""
        seen = self._seen()
        self._write_signed({**record, **as_said(seen)})
        self._stated(seen)

    def _seen(self) -> Seen | None:
        """Return what a record states of other processes, or None if there is no file that can be read."""
        if self._sink.witness is None:
            return None
        self._sink.look()  # another process may have renamed the file
        self._sink.witness.look()
        seen = self._sink.witness.seen(self._chain)
        # A record that waits in the queue follows lines that this process has not read yet.
        return replace(seen, complete=False) if self._is_queued else seen

    def _stated(self, seen: Seen | None) -> None:
        self._stated_at = self._now()
        if self._sink.witness is not None and seen is not None:
            self._sink.witness.stated(seen)

    def _change_key(self) -> None:
        new = self._new_key()
        self._write_signed({"type": "key", **new.told()})
        self._key, self._key_since = new, self._now()

    def _new_key(self) -> WriterKey:
        return WriterKey(chain=self._chain, writer=self._writer, root=self._root)

    def _write_signed(self, record: Mapping[str, object]) -> None:
        linked = self._linked({**record, "time": stamp(self._now())})
        self._seal({**linked, "signature": self._key.sign(canonical(linked))})
        self._signed = self._seq

    def _write(self, record: Mapping[str, object]) -> Link:
        return self._seal(self._linked(bounded(record)))

    def _linked(self, record: Mapping[str, object]) -> dict[str, object]:
        own = {"version": VERSION, "catflap": __version__, "chain": self._chain, "seq": self._seq, "prev": self._prev}
        torn = {"torn": self._sink.torn[:MOST_TORN]} if self._sink.torn else {}
        lost = {"lost": self._lost} if self._lost else {}
        return {**record, **own, **torn, **lost}

    def _seal(self, record: Mapping[str, object]) -> Link:
        line, digest = seal(record)
        self._sink.write(line)
        del self._sink.torn[: len(cast("Sequence[object]", record.get("torn", ())))]
        link = Link(self._chain, self._seq, digest)
        self._seq, self._prev = self._seq + 1, digest
        self._lost = 0
        if not self.may_block:
            self._recovered()
        self._hand_on(line)
        return link

    def _hand_on(self, line: bytes) -> None:
        """Copy a line to standard output. Only count a failure, because the file is authoritative."""
        if self._copy is None:
            return
        try:
            self._copy.write(line)
        except AuditLogUnwritable:
            self._observer.uncopied()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            try:
                self.look()
            except (AuditLogUnwritable, BadKey) as bad:
                logger.error("the checkpoint of the audit log is delayed: %s", bad)  # noqa: TRY400 (it says where)


def writer(process: str) -> Writer:
    """Return the writer of a chain: its process, its place and the boot of its machine, as far as they are known."""
    told: Writer = {"process": process, "pid": os.getpid()}
    if pod := {key: value for key, name in POD.items() if (value := named(name))}:
        told["pod"] = cast("Pod", pod)
    if node := named(NODE):
        told["node"] = node
    with suppress(OSError):
        told["bootId"] = BOOT_ID.read_text(encoding="ascii").strip()
    return told


def named(variable: str) -> str:
    """Return an environment variable that describes the writer, cut to the length of a name in Kubernetes."""
    return os.environ.get(variable, "")[:LONGEST_NAME].encode(errors="backslashreplace").decode()
