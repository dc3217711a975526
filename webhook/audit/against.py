"""Our log held against the API server's own audit log, which bears the hash of each record that we answered with.

Both may be larger than memory, and several API servers write logs of their own: what is to be compared goes into a database on disk
that is gone with the process.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from webhook.audit.chain import NOT_JSON
from webhook.audit.finding import Damage, Finding, Place
from webhook.audit.reading import Line, Unreadable
from webhook.audit.sequence import Head
from webhook.guard.foretelling import counted
from webhook.model.decision import Phase
from webhook.model.names import ENTRY_SUFFIX

API_VERSION: Final = "audit.k8s.io/v1"
PODS_ENTRY: Final = f"pods{ENTRY_SUFFIX}"
CHAIN, SEQ, HASH = "/record-chain", "/record-seq", "/record-hash"
# apiserver, pkg/admission/plugin/webhook/{validating,mutating}/dispatcher.go: the value is the entry's name.
FAILED_OPEN: Final = (
    "failed-open.validating.webhook.admission.k8s.io/",
    "failed-open.mutation.webhook.admission.k8s.io/",
)
LAST_STAGES: Final = frozenset({"ResponseComplete", "Panic"})  # earlier ones have no annotations yet
STORED: Final = range(200, 300)
MOST_NAMED: Final = 5

WHY_OURS_ALONE: Final = (
    "the API server's policy leaves their requests out, or it asked us more than once, or did not wait for our answer"
)

TABLES: Final = """
PRAGMA journal_mode = OFF;
CREATE TABLE decisions (chain, seq INTEGER, hash, time, PRIMARY KEY (chain, seq)) WITHOUT ROWID;
CREATE TABLE anchors (chain, seq INTEGER, hash, time, file, line, about, PRIMARY KEY (chain, seq)) WITHOUT ROWID;
CREATE TABLE creations (namespace, time, file, line, about);
CREATE TABLE asked (namespace PRIMARY KEY) WITHOUT ROWID;
"""
CHAINS_GONE: Final = """
SELECT chain, count(*), min(seq), file, line, min(time) FROM anchors
WHERE chain NOT IN (SELECT DISTINCT chain FROM decisions) GROUP BY chain ORDER BY min(time)
"""
RECORDS_GONE: Final = """
SELECT chain, seq, decisions.hash IS NULL, file, line, about FROM anchors LEFT JOIN decisions USING (chain, seq)
WHERE decisions.hash IS NOT anchors.hash AND chain IN (SELECT DISTINCT chain FROM decisions) ORDER BY anchors.time
"""
NEVER_ASKED: Final = """
SELECT file, line, about FROM creations JOIN asked USING (namespace)
WHERE time >= (SELECT min(time) FROM anchors) ORDER BY time
"""
NOT_OURS: Final = """
SELECT namespace, count(*) FROM creations LEFT JOIN asked USING (namespace)
WHERE asked.namespace IS NULL AND time >= (SELECT min(time) FROM anchors) GROUP BY namespace ORDER BY count(*) DESC
"""
OURS_ALONE: Final = """
SELECT count(*), min(decisions.time) FROM decisions LEFT JOIN anchors USING (chain, seq)
WHERE anchors.hash IS NULL AND decisions.time BETWEEN ? AND ?
"""


class ObjectRef(Struct, rename="camel", frozen=True):
    """Which object a request was about."""

    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    api_group: str = ""


class Status(Struct, frozen=True):
    """What became of a request."""

    code: int = 0


class Event(Struct, rename="camel", frozen=True):
    """An event of the API server's audit log, as far as it says something about us."""

    api_version: str
    kind: str
    stage: str
    verb: str = ""
    audit_id: str = msgspec.field(name="auditID", default="")
    request_received_timestamp: str = ""
    object_ref: ObjectRef | None = None
    response_status: Status | None = None
    annotations: dict[str, str] = {}

    @property
    def about(self) -> str:
        """The request in words."""
        ref = self.object_ref or ObjectRef()
        name = "/".join(part for part in (ref.namespace, ref.name) if part)
        return f"{self.verb} {ref.resource} {name} (auditID {self.audit_id})"

    @property
    def stores_pod(self) -> bool:
        """Whether a Pod was created."""
        ref, status = self.object_ref or ObjectRef(), self.response_status or Status()
        return (self.verb, ref.resource, ref.subresource, ref.api_group) == (
            "create",
            "pods",
            "",
            "",
        ) and status.code in STORED


EVENTS: Final = msgspec.json.Decoder(Event)


class Comparison:
    """Takes our decisions and the API server's events in any order, and says at last what one side lacks."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # on disk, under no name
        self._database.executescript(TABLES)
        self._skipped: list[Finding] = []
        self._first = self._last = ""  # of the API server's log

    def take_records(self, heads: Iterable[Head]) -> None:
        """Remember some of our records."""
        for head in heads:
            if head.type == "decision" and head.phase == Phase.VALIDATE:
                self._insert("decisions", head.chain, head.seq, head.hash, head.time)

    def take_event(self, line: Line) -> None:
        """Remember one line of the API server's log.  Raises Unreadable."""
        try:
            event = EVENTS.decode(line.text)
        except NOT_JSON as bad:
            if not line.ended:  # it is being written
                return
            raise Unreadable(f"{line.file}:{line.number}: no audit event: {bad}") from bad
        if (event.api_version, event.kind) != (API_VERSION, "Event"):
            raise Unreadable(f"{line.file}:{line.number}: no event of {API_VERSION}")
        if event.stage in LAST_STAGES:
            self._take(event, line)

    def findings(self) -> Iterator[Finding]:
        """What of ours is gone or another one, and what went past us."""
        for chain, count, seq, file, line, _ in self._database.execute(CHAINS_GONE):
            says = f"none of this chain's decisions, of which the API server's log has {count}, is here: name its file, too"
            yield Finding(Damage.MISSING, Place(file, line, 0), says, chain, seq)
        for chain, seq, gone, file, line, about in self._database.execute(RECORDS_GONE):
            damage, says = (Damage.MISSING, "it is not here") if gone else (Damage.FORGED, "another one is here")
            yield Finding(
                damage, Place(file, line, 0), f"the API server's log has its hash, and {says}: {about}", chain, seq
            )
        yield from self._skipped
        for file, line, about in self._database.execute(NEVER_ASKED):
            says = f"the API server never asked, as it does in this namespace: {about}"
            yield Finding(Damage.SKIPPED, Place(file, line, 0), says)

    def notes(self) -> Iterator[str]:
        """What the comparison rests on, and what may well be so."""
        if not self._first:
            yield "the API server's log has no event of a request that was answered"
            return
        [(anchors,)] = self._database.execute("SELECT count(*) FROM anchors")
        yield f"the API server's log, from {self._first} to {self._last}, has the hashes of {counted(anchors, 'decision')}"
        [(count, since)] = self._database.execute(OURS_ALONE, (self._first, self._last))
        if count:
            yield f"{counted(count, 'decision')} of that time, first at {since}, in ours alone: {WHY_OURS_ALONE}"
        spaces = [*self._database.execute(NOT_OURS)]
        if spaces:
            named = ", ".join(f"{space} ({pods})" for space, pods in spaces[:MOST_NAMED])
            more = f" and {len(spaces) - MOST_NAMED} more" if len(spaces) > MOST_NAMED else ""
            yield f"of no Pod in these namespaces we were asked, as should be if they are exempt: {named}{more}"

    def _take(self, event: Event, line: Line) -> None:
        time = event.request_received_timestamp
        self._first, self._last = min(self._first or time, time), max(self._last, time)
        said = event.annotations
        entries = [key.removesuffix(CHAIN) for key in said if key.endswith(ENTRY_SUFFIX + CHAIN)]
        for entry in entries:
            link = (said[entry + CHAIN], said.get(entry + SEQ, ""), said.get(entry + HASH, ""))
            self._insert("anchors", *link, time, line.file, line.number, event.about)
        skipped = {value for key, value in said.items() if key.startswith(FAILED_OPEN) and value.endswith(ENTRY_SUFFIX)}
        for entry in sorted(skipped):
            says = f"the API server went on without an answer to {entry}: {event.about}"
            self._skipped.append(Finding(Damage.SKIPPED, Place(line.file, line.number, 0), says))
        if event.stores_pod and event.object_ref:
            if PODS_ENTRY in entries:
                self._insert("asked", event.object_ref.namespace)
            elif not any(key.startswith(f"{PODS_ENTRY}/") for key in said) and PODS_ENTRY not in skipped:
                self._insert("creations", event.object_ref.namespace, time, line.file, line.number, event.about)

    def _insert(self, table: str, *values: str | int) -> None:
        marks = ", ".join("?" * len(values))
        self._database.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)  # noqa: S608 (our own names)
