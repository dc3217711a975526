"""A record as it is read back: what people ask about, whichever type and release it is of."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from webhook.audit.chain import NOT_JSON, pieces
from webhook.audit.copies import rewritten, was_record
from webhook.audit.reading import Text, read_lines


class Who(Struct, frozen=True):
    """Who asked."""

    username: str
    groups: tuple[str, ...] = ()


class Subject(Struct, frozen=True, rename="camel"):
    """Which object: by its resource where it was asked about, by its kind where we wrote it."""

    api_group: str = ""
    api_version: str = ""
    resource: str = ""
    subresource: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def path(self) -> str:
        """The resource with its subresource, or the kind."""
        return "/".join(part for part in (self.resource, self.subresource) if part) or self.kind

    @property
    def full_name(self) -> str:
        """The name in its namespace."""
        return "/".join(part for part in (self.namespace, self.name) if part)


class Fault(Struct, frozen=True):
    """Which rule was broken, where, in words."""

    rule: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.path}: {self.message}"


class Entry(Struct, frozen=True, rename="camel", kw_only=True):
    """What a record says; what its type does not say is empty."""

    type: str
    time: str
    chain: str
    seq: int
    hash: str
    version: str
    catflap: str = ""
    id: str = ""
    phase: str = ""
    user: Who | None = None
    verb: str = ""
    object_ref: Subject = Subject()
    dry_run: bool | None = None
    decision: str = ""
    reason_code: str = ""  # which formats before v1alpha4 do not have
    reason: str = ""
    denied: tuple[Fault, ...] = ()
    warned: tuple[Fault, ...] = ()
    audited: tuple[Fault, ...] = ()
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
        """Who asked, by name."""
        return self.user.username if self.user else ""

    @property
    def groups(self) -> tuple[str, ...]:
        """Of whoever asked."""
        return self.user.groups if self.user else ()

    @property
    def why(self) -> str:
        """The code of the reason, and its words where there are any; the words alone where the format has no code."""
        return ": ".join(part for part in (self.reason_code, self.reason) if part)

    @property
    def rules(self) -> tuple[str, ...]:
        """Each rule that was broken, whatever came of it."""
        return tuple(dict.fromkeys(fault.rule for fault in (*self.denied, *self.warned, *self.audited)))


ENTRIES = msgspec.json.Decoder(Entry)


class Entries:
    """Each record of each file with its text, in the order given, as long as it is what its hash says.

    `lenient` takes copies that a collector wrote anew.  `read` and `passed_over` count as they are gone through, and `were_records`
    says whether anything that was passed over looks like what is left of a record.
    """

    def __init__(
        self, paths: Iterable[str], *, lenient: bool = False, moved: Callable[[int], object] = lambda _: None
    ) -> None:
        self._lines = read_lines(paths, moved)
        self._pieces = rewritten if lenient else pieces
        self.read = 0
        self.passed_over = 0
        self.were_records = False

    def __iter__(self) -> Iterator[tuple[Entry, bytes]]:
        """Raises Unreadable."""
        text = Text()
        for line in self._lines:
            before = self.read
            if line.is_too_long:
                self._pass_over(line.text)
                continue
            for piece in self._pieces(line.text):
                entry = as_entry(piece.text) if piece.is_record else None
                if entry is None:
                    self._pass_over(piece.text)
                else:
                    self.read += 1
                    yield entry, piece.text
            text.look(line, has_record=self.read > before)

    def _pass_over(self, text: bytes) -> None:
        self.passed_over += 1
        self.were_records = self.were_records or was_record(text)


def as_entry(text: bytes) -> Entry | None:
    """A record's text as it is read; None for what is none, or is of a format that is not known."""
    try:
        return ENTRIES.decode(text)
    except NOT_JSON:
        return None
