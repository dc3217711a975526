"""Compare catflap's log with the API server's own audit log, which has the hash of each record of an answer.

Both logs may be larger than memory, and several API servers each write a log. The data to compare is therefore in a
database on disk, which the operating system deletes with the process.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from webhook.audit.api_server_events import CHANGE_VERBS, WEBHOOK_CONFIGURATION_RESOURCES, ApiServerEvent, read_event
from webhook.audit.chain_verifier import ChainRecord
from webhook.audit.findings import Finding, FindingKind, LinePosition
from webhook.audit.log_lines import LogLine, UnreadableLogError
from webhook.audit.unmatched_decisions import UnmatchedDecisions, request_identity
from webhook.model.counting import counted
from webhook.model.decision import Phase
from webhook.model.identity import chart_accounts
from webhook.model.names import DEFAULT_NAMESPACE, ENTRY_SUFFIX, WEBHOOK_CONFIGURATION

CHAIN, SEQ, HASH = "/record-chain", "/record-seq", "/record-hash"
MOST_NAMED: Final = 5
MOST_EDITORS: Final = 1000

REQUIRED_AUDIT_POLICY: Final = (
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
MISSING_CHAINS: Final = """
SELECT chain, count(*), min(seq), file, line, min(time) FROM anchors
WHERE chain NOT IN (SELECT DISTINCT chain FROM decisions) GROUP BY chain ORDER BY min(time)
"""
MISSING_RECORDS: Final = """
SELECT chain, seq, decisions.hash IS NULL, anchors.file, anchors.line, about FROM anchors LEFT JOIN decisions USING (chain, seq)
WHERE decisions.hash IS NOT anchors.hash AND chain IN (SELECT DISTINCT chain FROM decisions) ORDER BY anchors.time
"""
UNSENT_REQUESTS: Final = """
SELECT ours, file, line, about FROM unasked
WHERE (ours OR namespace IN (SELECT namespace FROM asked)) AND time >= (SELECT min(time) FROM anchors) ORDER BY time
"""
EXEMPT_NAMESPACES: Final = """
SELECT namespace, count(*) FROM unasked LEFT JOIN asked USING (namespace)
WHERE asked.namespace IS NULL AND NOT ours AND time >= (SELECT min(time) FROM anchors) GROUP BY namespace ORDER BY count(*) DESC
"""


class ApiServerCrossCheck:
    """Compares decisions with the API server's events, in any order, and yields what one side lacks."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # on disk, without a name
        self._database.executescript(TABLES)
        self._unmatched = UnmatchedDecisions(self._database)
        self._skipped_findings: list[Finding] = []
        self._configuration_edits: Counter[str] = (
            Counter()
        )  # how often each user changed catflap's webhook configurations
        self._own_accounts = {*chart_accounts(DEFAULT_NAMESPACE).users}
        self._first = self._last = ""  # the first and last times in the API server's log

    def add_records(self, line: LogLine, records: Iterable[ChainRecord]) -> None:
        """Remember the records of one line of catflap's log."""
        for record in records:
            if record.type == "decision" and record.phase == Phase.VALIDATE:
                position = (line.file, line.number)
                self._insert(
                    "decisions",
                    record.chain,
                    record.seq,
                    record.hash,
                    record.time,
                    *position,
                    *request_identity(record),
                )
            elif record.type == "start" and (namespace := writer_namespace(record)):
                self._own_accounts |= {*chart_accounts(namespace).users}

    def add_event(self, line: LogLine) -> None:
        """Remember one line of the API server's log.  Raises UnreadableLogError."""
        event = read_event(line)
        if event is not None and event.is_final_stage:
            self._add(event, line)

    def check(self) -> None:
        """Check that the API server's log can prove anything.  Raises UnreadableLogError."""
        [(anchors,)] = self._database.execute("SELECT count(*) FROM anchors")
        if not anchors:
            problem = (
                "no event contains a hash of catflap" if self._first else "it contains no event of a completed request"
            )
            raise UnreadableLogError(
                f"the log of the API server cannot be compared: {problem}; {REQUIRED_AUDIT_POLICY}"
            )

    def findings(self) -> Iterator[Finding]:
        """Yield records that are missing or different, and requests that the API server did not send to catflap."""
        for chain, count, seq, file, line, _ in self._database.execute(MISSING_CHAINS):
            message = (
                f"the log of the API server contains {counted(count, 'decision')} of this chain, and the given files "
                "contain none: pass the file of this chain too"
            )
            yield Finding(FindingKind.MISSING, LinePosition(file, line, 0), message, chain, seq)
        for chain, seq, is_missing, file, line, description in self._database.execute(MISSING_RECORDS):
            kind, message = (
                (FindingKind.MISSING, ("the record is missing"))
                if is_missing
                else (FindingKind.FORGED, "another record is in its place")
            )
            yield Finding(
                kind,
                LinePosition(file, line, 0),
                f"the log of the API server contains the hash of this record, but {message}: {description}",
                chain,
                seq,
            )
        yield from self._skipped_findings
        for is_own_policy, file, line, description in self._database.execute(UNSENT_REQUESTS):
            reason = (
                ("although the policy belongs to catflap")
                if is_own_policy
                else "although it sent other requests in this namespace"
            )
            yield Finding(
                FindingKind.SKIPPED,
                LinePosition(file, line, 0),
                f"the API server did not send this request to catflap, {reason}: {description}",
            )
        yield from self._unmatched.findings(self._first, self._last)

    def notes(self) -> Iterator[str]:
        """Yield the basis of the comparison, and differences that may be legitimate. Call `findings` first."""
        [(anchors,)] = self._database.execute("SELECT count(*) FROM anchors")
        yield (
            f"the log of the API server, from {self._first} to {self._last}, contains the hashes of "
            f"{counted(anchors, 'decision')}"
        )
        yield from self._unmatched.notes
        for user, count in self._configuration_edits.most_common(MOST_NAMED):
            yield (
                f"{user} changed the webhook configurations of catflap, {counted(count, 'time')}; the log does not "
                "show their content"
            )
        namespaces = [*self._database.execute(EXEMPT_NAMESPACES)]
        if namespaces:
            named = ", ".join(f"{namespace} ({count})" for namespace, count in namespaces[:MOST_NAMED])
            omitted = f" and {len(namespaces) - MOST_NAMED} more" if len(namespaces) > MOST_NAMED else ""
            yield (
                "the API server sent no request from these namespaces to catflap, which is correct if they are "
                f"exempt: {named}{omitted}"
            )

    def _add(self, event: ApiServerEvent, line: LogLine) -> None:
        time = event.request_received_timestamp
        self._first, self._last = min(self._first or time, time), max(self._last, time)
        self._unmatched.add(event)
        entries = [key.removesuffix(CHAIN) for key in event.annotations if key.endswith(ENTRY_SUFFIX + CHAIN)]
        for entry in entries:
            link = (event.annotations.get(entry + part, "") for part in (CHAIN, SEQ, HASH))
            self._insert("anchors", *link, time, line.file, line.number, event.description)
        for entry in event.skipped_webhooks:
            self._add_skipped(line, f"the API server continued without an answer from {entry}: {event.description}")
        if (
            event.ref.resource in WEBHOOK_CONFIGURATION_RESOURCES
            and event.ref.name == WEBHOOK_CONFIGURATION
            and event.has_succeeded
        ):
            self._check_configuration(event, line)
        expected = event.expected_webhook(self._own_accounts)
        if not expected or not event.has_succeeded:
            return
        name = f"{expected}{ENTRY_SUFFIX}"
        if name in entries:
            self._insert("asked", event.ref.namespace)
        elif not any(key.startswith(f"{name}/") for key in event.annotations) and name not in event.skipped_webhooks:
            is_own_policy = int(event.is_own_policy)
            self._insert("unasked", is_own_policy, event.ref.namespace, time, line.file, line.number, event.description)

    def _check_configuration(self, event: ApiServerEvent, line: LogLine) -> None:
        """Remember a change of catflap's webhook configurations that another user made."""
        if event.verb == "delete":
            self._add_skipped(
                line,
                f"{event.username} deleted a webhook configuration, so the API server sent no more requests until it "
                f"existed again: {event.description}",
            )
        elif (
            event.verb in CHANGE_VERBS
            and event.username not in self._own_accounts
            and len(self._configuration_edits) < MOST_EDITORS
        ):
            self._configuration_edits[event.username] += 1

    def _add_skipped(self, line: LogLine, message: str) -> None:
        self._skipped_findings.append(Finding(FindingKind.SKIPPED, LinePosition(line.file, line.number, 0), message))

    def _insert(self, table: str, *values: str | int) -> None:
        marks = ", ".join("?" * len(values))
        self._database.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)  # noqa: S608 (fixed)


def writer_namespace(record: ChainRecord) -> str:
    """Return the namespace of a chain's writer, or an empty string if the start record does not name it."""
    pod = record.writer.get("pod")
    return str(pod.get("namespace", "")) if isinstance(pod, dict) else ""
