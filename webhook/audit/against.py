"""Compare catflap's log with the API server's own audit log, which has the hash of each record of an answer.

Both logs may be larger than memory, and several API servers each write a log. The data to compare is therefore in a
database on disk, which the operating system deletes with the process.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from webhook.audit.apiserver import CHANGES, CONFIGURATIONS, Event, read_event
from webhook.audit.finding import Damage, Finding, Place
from webhook.audit.reading import Line, Unreadable
from webhook.audit.sequence import Head
from webhook.audit.unasked import Unasked, about_record
from webhook.model.counting import counted
from webhook.model.decision import Phase
from webhook.model.identity import chart_accounts
from webhook.model.names import DEFAULT_NAMESPACE, ENTRY_SUFFIX, WEBHOOK_CONFIGURATION

CHAIN, SEQ, HASH = "/record-chain", "/record-seq", "/record-hash"
MOST_NAMED: Final = 5
MOST_EDITORS: Final = 1000

NEEDED: Final = (
    "the audit policy must log the creation of Pods at level Metadata or higher, with the stage ResponseComplete"
)

TABLES: Final = """
PRAGMA journal_mode = OFF;
CREATE TABLE decisions (
    chain, seq INTEGER, hash, time, file, line, resource, user, verb, namespace, name, PRIMARY KEY (chain, seq)
) WITHOUT ROWID;
CREATE TABLE anchors (chain, seq INTEGER, hash, time, file, line, about, PRIMARY KEY (chain, seq)) WITHOUT ROWID;
CREATE TABLE unasked (ours INTEGER, namespace, time, file, line, about);
CREATE TABLE asked (namespace PRIMARY KEY) WITHOUT ROWID;
"""
CHAINS_GONE: Final = """
SELECT chain, count(*), min(seq), file, line, min(time) FROM anchors
WHERE chain NOT IN (SELECT DISTINCT chain FROM decisions) GROUP BY chain ORDER BY min(time)
"""
RECORDS_GONE: Final = """
SELECT chain, seq, decisions.hash IS NULL, anchors.file, anchors.line, about FROM anchors LEFT JOIN decisions USING (chain, seq)
WHERE decisions.hash IS NOT anchors.hash AND chain IN (SELECT DISTINCT chain FROM decisions) ORDER BY anchors.time
"""
NEVER_ASKED: Final = """
SELECT ours, file, line, about FROM unasked
WHERE (ours OR namespace IN (SELECT namespace FROM asked)) AND time >= (SELECT min(time) FROM anchors) ORDER BY time
"""
NOT_OURS: Final = """
SELECT namespace, count(*) FROM unasked LEFT JOIN asked USING (namespace)
WHERE asked.namespace IS NULL AND NOT ours AND time >= (SELECT min(time) FROM anchors) GROUP BY namespace ORDER BY count(*) DESC
"""


class Comparison:
    """Compares decisions with the API server's events, in any order, and yields what one side lacks."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # on disk, without a name
        self._database.executescript(TABLES)
        self._alone = Unasked(self._database)
        self._skipped: list[Finding] = []
        self._edited: Counter[str] = Counter()  # how often each user changed catflap's webhook configurations
        self._own = {*chart_accounts(DEFAULT_NAMESPACE).users}
        self._first = self._last = ""  # the first and last times in the API server's log

    def take_records(self, line: Line, heads: Iterable[Head]) -> None:
        """Remember the records of one line of catflap's log."""
        for head in heads:
            if head.type == "decision" and head.phase == Phase.VALIDATE:
                place = (line.file, line.number)
                self._insert("decisions", head.chain, head.seq, head.hash, head.time, *place, *about_record(head))
            elif head.type == "start" and (space := namespace_of(head)):
                self._own |= {*chart_accounts(space).users}

    def take_event(self, line: Line) -> None:
        """Remember one line of the API server's log.  Raises Unreadable."""
        event = read_event(line)
        if event is not None and event.is_last:
            self._take(event, line)

    def check(self) -> None:
        """Check that the API server's log can prove anything.  Raises Unreadable."""
        [(anchors,)] = self._database.execute("SELECT count(*) FROM anchors")
        if not anchors:
            what = (
                "no event contains a hash of catflap" if self._first else "it contains no event of a completed request"
            )
            raise Unreadable(f"the log of the API server cannot be compared: {what}; {NEEDED}")

    def findings(self) -> Iterator[Finding]:
        """Yield records that are missing or different, and requests that the API server did not send to catflap."""
        for chain, count, seq, file, line, _ in self._database.execute(CHAINS_GONE):
            says = (
                f"the log of the API server contains {counted(count, 'decision')} of this chain, and the given files "
                "contain none: pass the file of this chain too"
            )
            yield Finding(Damage.MISSING, Place(file, line, 0), says, chain, seq)
        for chain, seq, gone, file, line, about in self._database.execute(RECORDS_GONE):
            damage, says = (
                (Damage.MISSING, ("the record is missing"))
                if gone
                else (Damage.FORGED, "another record is in its place")
            )
            yield Finding(
                damage,
                Place(file, line, 0),
                f"the log of the API server contains the hash of this record, but {says}: {about}",
                chain,
                seq,
            )
        yield from self._skipped
        for ours, file, line, about in self._database.execute(NEVER_ASKED):
            why = (
                ("although the policy belongs to catflap")
                if ours
                else "although it sent other requests in this namespace"
            )
            yield Finding(
                Damage.SKIPPED,
                Place(file, line, 0),
                f"the API server did not send this request to catflap, {why}: {about}",
            )
        yield from self._alone.findings(self._first, self._last)

    def notes(self) -> Iterator[str]:
        """Yield the basis of the comparison, and differences that may be legitimate. Call `findings` first."""
        [(anchors,)] = self._database.execute("SELECT count(*) FROM anchors")
        yield (
            f"the log of the API server, from {self._first} to {self._last}, contains the hashes of "
            f"{counted(anchors, 'decision')}"
        )
        yield from self._alone.notes
        for who, times in self._edited.most_common(MOST_NAMED):
            yield (
                f"{who} changed the webhook configurations of catflap, {counted(times, 'time')}; the log does not "
                "show their content"
            )
        spaces = [*self._database.execute(NOT_OURS)]
        if spaces:
            named = ", ".join(f"{space} ({count})" for space, count in spaces[:MOST_NAMED])
            more = f" and {len(spaces) - MOST_NAMED} more" if len(spaces) > MOST_NAMED else ""
            yield (
                "the API server sent no request from these namespaces to catflap, which is correct if they are "
                f"exempt: {named}{more}"
            )

    def _take(self, event: Event, line: Line) -> None:
        time = event.request_received_timestamp
        self._first, self._last = min(self._first or time, time), max(self._last, time)
        self._alone.take(event)
        entries = [key.removesuffix(CHAIN) for key in event.annotations if key.endswith(ENTRY_SUFFIX + CHAIN)]
        for entry in entries:
            link = (event.annotations.get(entry + part, "") for part in (CHAIN, SEQ, HASH))
            self._insert("anchors", *link, time, line.file, line.number, event.about)
        for entry in event.skipped:
            self._skip(line, f"the API server continued without an answer from {entry}: {event.about}")
        if event.ref.resource in CONFIGURATIONS and event.ref.name == WEBHOOK_CONFIGURATION and event.was_done:
            self._configured(event, line)
        due = event.due(self._own)
        if not due or not event.was_done:
            return
        name = f"{due}{ENTRY_SUFFIX}"
        if name in entries:
            self._insert("asked", event.ref.namespace)
        elif not any(key.startswith(f"{name}/") for key in event.annotations) and name not in event.skipped:
            ours = int(event.is_of_ours)
            self._insert("unasked", ours, event.ref.namespace, time, line.file, line.number, event.about)

    def _configured(self, event: Event, line: Line) -> None:
        """Remember a change of catflap's webhook configurations that another user made."""
        if event.verb == "delete":
            self._skip(
                line,
                f"{event.caller} deleted a webhook configuration, so the API server sent no more requests until it "
                f"existed again: {event.about}",
            )
        elif event.verb in CHANGES and event.caller not in self._own and len(self._edited) < MOST_EDITORS:
            self._edited[event.caller] += 1

    def _skip(self, line: Line, says: str) -> None:
        self._skipped.append(Finding(Damage.SKIPPED, Place(line.file, line.number, 0), says))

    def _insert(self, table: str, *values: str | int) -> None:
        marks = ", ".join("?" * len(values))
        self._database.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)  # noqa: S608 (fixed)


def namespace_of(head: Head) -> str:
    """Return the namespace of a chain's writer, or an empty string if the start record does not name it."""
    pod = head.writer.get("pod")
    return str(pod.get("namespace", "")) if isinstance(pod, dict) else ""
