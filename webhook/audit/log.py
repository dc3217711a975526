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
from webhook.audit.chain import CHECKPOINT_RECORDS, GENESIS, Link, canonical_bytes, seal
from webhook.audit.keys import BadKeyError, WriterKey
from webhook.audit.log_config import NO_OBSERVER, Durability, LogConfig, LogFailurePolicy, LogObserver
from webhook.audit.peer_attestation import Seen, attestation_fields
from webhook.audit.queued_sink import QueuedSink
from webhook.audit.record import timestamp, utc_now
from webhook.audit.record_size import MOST_PARTIAL_WRITES, limit_size
from webhook.audit.schema import VERSION, Pod, Writer
from webhook.audit.sink import AuditLogUnwritable, Sink

logger = logging.getLogger(__name__)

CHECKPOINT_INTERVAL: Final = timedelta(seconds=60)
KEY_LIFETIME: Final = timedelta(days=1)
LONGEST_NAME: Final = 253  # of an object (apimachinery, pkg/util/validation: DNS-1123 subdomain)
POLL_SECONDS: Final = 5.0

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
POD: Final = {"namespace": "POD_NAMESPACE", "name": "POD_NAME", "uid": "POD_UID"}  # the chart sets these variables
NODE: Final = "NODE_NAME"

DEFAULT_CONFIG: Final = LogConfig()


class AuditLog:
    """Appends records to a file, or to standard output if there is no path; safe to share between threads.

    The chain begins with the first record, so the log must be created after a fork.  A record that could not be written
    is not part of the chain.  `root` certifies the chain's keys.  Raises OSError if the file cannot be opened, BadKeyError
    for a bad root key.
    """

    def __init__(
        self,
        path: str | None,
        *,
        process: str,
        root: Path | None = None,
        config: LogConfig = DEFAULT_CONFIG,
        observer: LogObserver = NO_OBSERVER,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.may_block = config.durability is Durability.SYNCED  # for as long as the disk needs
        self._file = Sink(path, rotation=config.rotation, synced=self.may_block, observer=observer, now=now)
        is_queued = config.durability is Durability.BEST_EFFORT
        self._sink = QueuedSink(self._file, queued=observer.queued) if is_queued else self._file
        self._copy = QueuedSink(Sink(None, reader_timeout=None)) if config.copy else None
        self._is_queued = is_queued
        self._admits_unrecorded = is_queued or config.failure is LogFailurePolicy.ADMIT
        self._observer = observer
        self._root = root
        self._now = now
        self._lock = Lock()
        self._stopped = Event()
        self._failing = False
        self._lost = 0  # lost records that no record has reported yet
        self._chain = token_hex(16)
        self._writer = describe_writer(process)
        self._key = self._new_key()
        self._key_since = self._checkpoint_at = now()
        self._seq, self._prev = 0, GENESIS  # of the next record
        self._signed_to = 0  # a checkpoint covers all records before this number

    def append(self, record: Mapping[str, object], *, wait_for_sync: bool = True) -> Link | None:
        """Write one record with the configured durability. If not `wait_for_sync`, do not wait for the disk.

        Return None if the record could not be written and the configuration admits such requests; otherwise raise
        AuditLogUnwritable.
        """
        with self._lock:
            if self._stopped.is_set():
                raise AuditLogUnwritable("the log is closed, because this process ends")
            try:
                link = self._append(record)
            except AuditLogUnwritable as bad:
                self._record_failure(bad)
                if not self._admits_unrecorded:
                    raise
                self._lost += 1
                self._observer.lost()
                return None
            line = self._file.written
        if wait_for_sync and self.may_block:
            self._wait_for_sync(line)
        return link

    @property
    def is_writable(self) -> bool:
        """Return whether the last record could be written, or requests without a record are admitted."""
        return self._admits_unrecorded or not self._failing

    def start(self) -> None:
        """Start a thread that makes checkpoints and new keys on time."""
        Thread(target=self._run, name="audit", daemon=True).start()

    def poll(self) -> None:
        """Write what is due now.  Raises AuditLogUnwritable, BadKeyError."""
        if self._sink.peer_reader is not None:
            self._sink.peer_reader.poll()  # without the lock, as there may be much to read
        if self._failing:
            self._probe()
        with self._lock:
            if not self._seq or self._stopped.is_set():
                return
            self._sink.poll()
            try:
                if self._has_elapsed(self._key_since, KEY_LIFETIME):
                    self._change_key()
            finally:  # without a new key, the old one continues to sign
                if self._seq > self._signed_to and self._has_elapsed(self._checkpoint_at, CHECKPOINT_INTERVAL):
                    self._write_attested({"type": "checkpoint"})

    def _probe(self) -> None:
        """Try to write a record after a failure: a replica that is not ready gets no requests.

        Raises AuditLogUnwritable.
        """
        with self._lock:
            if self._stopped.is_set():
                return
            self._sink.poll()
            if self._seq:
                self._write_attested({"type": "checkpoint"})
            else:
                self._start_chain()
            line = self._file.written
        if self.may_block:
            self._wait_for_sync(line)

    def _has_elapsed(self, since: datetime, span: timedelta) -> bool:
        """Return whether a period has passed, or the clock was put back, which makes the period unknown."""
        return not timedelta() <= self._now() - since < span

    def stop(self) -> None:
        """Write the stop record if possible, and close the log."""
        with self._lock:
            if self._stopped.is_set():
                return
            self._stopped.set()
            try:
                self._end_chain()
            except AuditLogUnwritable as bad:
                logger.error("cannot write the stop record of the audit log: %s", bad)  # noqa: TRY400 (it says where)
        self._sink.close()
        if self._copy is not None:
            self._copy.close()

    def _end_chain(self) -> None:
        if (self._sink.partial_writes or self._lost) and not self._seq:
            self._start_chain()  # the start record reports what could not be written
        if self._seq:
            self._write_attested({"type": "stop"})

    def _append(self, record: Mapping[str, object]) -> Link:
        if not self._seq:
            self._start_chain()
        link = self._write(record)
        if self._seq - self._signed_to >= CHECKPOINT_RECORDS:
            with suppress(AuditLogUnwritable):  # the next record tries the checkpoint again
                self._write_signed({"type": "checkpoint"})
        return link

    def _wait_for_sync(self, line: int) -> None:
        try:
            self._file.wait_for_sync(line)
            self._record_recovery()
        except AuditLogUnwritable as bad:
            self._record_failure(bad)
            if not self._admits_unrecorded:
                raise

    def _record_failure(self, bad: AuditLogUnwritable) -> None:
        self._observer.failed()
        if not self._failing:  # once, not for each request
            effect = "admitted without a record" if self._admits_unrecorded else "rejected meanwhile"
            logger.error("cannot write the audit log, requests are %s: %s", effect, bad)
        self._failing = True

    def _record_recovery(self) -> None:
        if self._failing:
            logger.warning("the audit log is writable again")
            self._failing = False

    def _start_chain(self) -> None:
        # The lock keeps other processes from a start between the look at the file's end and the record that states it.
        with nullcontext() if self._is_queued else self._file.exclusive():
            attestation = self._peer_attestation()
            last = (self._sink.peer_reader.last if self._sink.peer_reader else None) or self._sink.last
            if last is None and attestation is not None and (last := self._file.last_rotated_record()) is not None:
                attestation = replace(attestation, complete=False)  # this process did not read the file before this one
            previous = {} if last is None else {"previous": asdict(last)}
            start = {"type": "start", "time": timestamp(self._now()), "writer": self._writer}
            start |= self._key.record_fields()
            self._write({**start, **previous, **attestation_fields(attestation)})
        self._confirm_attestation(attestation)

    def _write_attested(self, record: Mapping[str, object]) -> None:
        """Write a signed record that also states what other processes wrote to the file."""
        attestation = self._peer_attestation()
        self._write_signed({**record, **attestation_fields(attestation)})
        self._confirm_attestation(attestation)

    def _peer_attestation(self) -> Seen | None:
        """Return what a record states of other processes, or None if there is no file that can be read."""
        if self._sink.peer_reader is None:
            return None
        self._sink.poll()  # another process may have renamed the file
        self._sink.peer_reader.poll()
        attestation = self._sink.peer_reader.attestation(self._chain)
        # A record that waits in the queue follows lines that this process has not read yet.
        return replace(attestation, complete=False) if self._is_queued else attestation

    def _confirm_attestation(self, attestation: Seen | None) -> None:
        self._checkpoint_at = self._now()
        if self._sink.peer_reader is not None and attestation is not None:
            self._sink.peer_reader.confirm(attestation)

    def _change_key(self) -> None:
        new = self._new_key()
        self._write_signed({"type": "key", **new.record_fields()})
        self._key, self._key_since = new, self._now()

    def _new_key(self) -> WriterKey:
        return WriterKey(chain=self._chain, writer=self._writer, root=self._root)

    def _write_signed(self, record: Mapping[str, object]) -> None:
        linked = self._with_chain_fields({**record, "time": timestamp(self._now())})
        self._seal({**linked, "signature": self._key.sign(canonical_bytes(linked))})
        self._signed_to = self._seq

    def _write(self, record: Mapping[str, object]) -> Link:
        return self._seal(self._with_chain_fields(limit_size(record)))

    def _with_chain_fields(self, record: Mapping[str, object]) -> dict[str, object]:
        own = {"version": VERSION, "catflap": __version__, "chain": self._chain, "seq": self._seq, "prev": self._prev}
        torn = {"torn": self._sink.partial_writes[:MOST_PARTIAL_WRITES]} if self._sink.partial_writes else {}
        lost = {"lost": self._lost} if self._lost else {}
        return {**record, **own, **torn, **lost}

    def _seal(self, record: Mapping[str, object]) -> Link:
        line, digest = seal(record)
        self._sink.write(line)
        del self._sink.partial_writes[: len(cast("Sequence[object]", record.get("torn", ())))]
        link = Link(self._chain, self._seq, digest)
        self._seq, self._prev = self._seq + 1, digest
        self._lost = 0
        if not self.may_block:
            self._record_recovery()
        self._copy_to_stdout(line)
        return link

    def _copy_to_stdout(self, line: bytes) -> None:
        """Copy a line to standard output. Only count a failure, because the file is authoritative."""
        if self._copy is None:
            return
        try:
            self._copy.write(line)
        except AuditLogUnwritable:
            self._observer.stdout_dropped()

    def _run(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            try:
                self.poll()
            except (AuditLogUnwritable, BadKeyError) as bad:
                logger.error("the checkpoint of the audit log is delayed: %s", bad)  # noqa: TRY400 (it says where)


def describe_writer(process: str) -> Writer:
    """Return the writer of a chain: its process, its place and the boot of its machine, as far as they are known."""
    fields: Writer = {"process": process, "pid": os.getpid()}
    if pod := {key: value for key, name in POD.items() if (value := read_name(name))}:
        fields["pod"] = cast("Pod", pod)
    if node := read_name(NODE):
        fields["node"] = node
    with suppress(OSError):
        fields["bootId"] = BOOT_ID.read_text(encoding="ascii").strip()
    return fields


def read_name(variable: str) -> str:
    """Return an environment variable that describes the writer, cut to the length of a name in Kubernetes."""
    return os.environ.get(variable, "")[:LONGEST_NAME].encode(errors="backslashreplace").decode()
