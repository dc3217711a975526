"""Read a record of any type and format version as an Entry, which has the fields that queries use."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from webhook.audit.chain import DECODE_ERRORS, split_line
from webhook.audit.collector_copies import looks_like_record, split_copied_line
from webhook.audit.log_lines import TextCheck, read_lines


class EntryUser(Struct, frozen=True):
    """The user of a request."""

    username: str
    groups: tuple[str, ...] = ()


class EntryObject(Struct, frozen=True, rename="camel"):
    """The object of a record: with its resource if a request names it, with its kind if catflap wrote it."""

    api_group: str = ""
    api_version: str = ""
    resource: str = ""
    subresource: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        """Return the resource with its subresource, or the kind."""
        return "/".join(part for part in (self.resource, self.subresource) if part) or self.kind

    @property
    def full_name(self) -> str:
        """Return the name with its namespace."""
        return "/".join(part for part in (self.namespace, self.name) if part)


class EntryViolation(Struct, frozen=True):
    """A violation: the rule, the path and the message."""

    rule: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.path}: {self.message}"


class LogEntry(Struct, frozen=True, rename="camel", kw_only=True):
    """The content of a record; fields that its type does not have are empty."""

    type: str
    time: str
    chain: str
    seq: int
    hash: str
    version: str
    catflap: str = ""
    id: str = ""
    phase: str = ""
    user: EntryUser | None = None
    verb: str = ""
    object_ref: EntryObject = EntryObject()
    dry_run: bool | None = None
    decision: str = ""
    reason_code: str = ""  # formats before v1alpha4 do not have it
    reason: str = ""
    denied: tuple[EntryViolation, ...] = ()
    warned: tuple[EntryViolation, ...] = ()
    audited: tuple[EntryViolation, ...] = ()
    closure: str = ""
    patched_labels: Mapping[str, str] = {}
    policy_digest: str = ""
    latency_microseconds: int | None = None
    accepted: bool | None = None
    faults: tuple[str, ...] = ()
    serving: Mapping[str, Any] = {}
    candidate: str = ""
    leads: bool | None = None
    writer: Mapping[str, Any] = {}

    @property
    def username(self) -> str:
        """Return the user's name."""
        return self.user.username if self.user else ""

    @property
    def groups(self) -> tuple[str, ...]:
        """Return the user's groups."""
        return self.user.groups if self.user else ()

    @property
    def why(self) -> str:
        """Return the reason's code and words, or only the words if the format has no code."""
        return ": ".join(part for part in (self.reason_code, self.reason) if part)

    @property
    def rules(self) -> tuple[str, ...]:
        """Return each violated rule, whatever the decision."""
        return tuple(dict.fromkeys(fault.rule for fault in (*self.denied, *self.warned, *self.audited)))


ENTRY_DECODER = msgspec.json.Decoder(LogEntry)


class LogReader:
    """Yields each record of the given files with its text, in order, if the record matches its hash.

    `lenient` accepts copies that a collector rewrote.  `read` and `skipped` count records during the iteration.
    `has_damaged_records` says whether any skipped text looks like a damaged record.
    """

    def __init__(
        self, paths: Iterable[str], *, lenient: bool = False, on_progress: Callable[[int], object] = lambda _: None
    ) -> None:
        self._lines = read_lines(paths, on_progress)
        self._split = split_copied_line if lenient else split_line
        self.read = 0
        self.skipped = 0
        self.has_damaged_records = False

    def __iter__(self) -> Iterator[tuple[LogEntry, bytes]]:
        """Yield each record and its text.  Raises UnreadableLogError."""
        text = TextCheck()
        for line in self._lines:
            before = self.read
            if line.is_too_long:
                self._skip(line.text)
                continue
            for piece in self._split(line.text):
                entry = parse_entry(piece.text) if piece.is_record else None
                if entry is None:
                    self._skip(piece.text)
                else:
                    self.read += 1
                    yield entry, piece.text
            text.check(line, has_record=self.read > before)

    def _skip(self, text: bytes) -> None:
        self.skipped += 1
        self.has_damaged_records = self.has_damaged_records or looks_like_record(text)


def parse_entry(text: bytes) -> LogEntry | None:
    """Return the entry of a record's text, or None if it is no record or has an unknown format."""
    try:
        return ENTRY_DECODER.decode(text)
    except DECODE_ERRORS:
        return None
