"""Find decisions without a request in the API server's log, and separate legitimate from unexplained ones."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from webhook.audit.api_server_events import ApiServerEvent
from webhook.audit.chain_verifier import ChainRecord
from webhook.audit.findings import Finding, FindingKind, LinePosition
from webhook.audit.record import timestamp
from webhook.model.counting import counted

# Clocks of two machines differ, and a request may wait for other webhooks: an event within this time may be the same
# request's.
REQUEST_WINDOW: Final = timedelta(minutes=5)
# The API server writes an event after the answer to its request. No webhook may take longer than this:
# https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts
LONGEST_LOG_DELAY: Final = timedelta(seconds=30)
MOST_FINDINGS: Final = 1000
DELETES: Final = frozenset({"delete", "deletecollection"})
READS: Final = frozenset({"get", "list", "watch"})

TABLES: Final = """
CREATE TABLE requests (resource, user, deletes INTEGER, namespace, name, time);
"""
INDEXES: Final = """
CREATE INDEX IF NOT EXISTS by_user ON requests (resource, user, deletes, time);
CREATE INDEX IF NOT EXISTS by_kind ON requests (resource, deletes);
CREATE INDEX IF NOT EXISTS by_caller ON requests (user);
CREATE INDEX IF NOT EXISTS by_namespace ON requests (namespace);
"""
UNMATCHED: Final = """
SELECT chain, seq, decisions.time, decisions.file, decisions.line, resource, user, verb, namespace, name FROM decisions
LEFT JOIN anchors USING (chain, seq) WHERE anchors.hash IS NULL AND decisions.time BETWEEN ? AND ? ORDER BY decisions.time
"""
SAME_REQUEST_EVENT: Final = """
SELECT 1 FROM requests WHERE resource = ? AND user = ? AND deletes = ? AND time BETWEEN ? AND ?
AND (namespace = ? OR resource = '/namespaces') AND (name = ? OR name = '' OR ? LIKE '%*') LIMIT 1
"""


class UnmatchedDecisions:
    """Takes the API server's requests, and yields the decisions that no request explains."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._database.executescript(TABLES)
        self.notes: list[str] = []

    def add(self, event: ApiServerEvent) -> None:
        """Remember a request that may belong to a decision."""
        if event.verb not in READS:
            ref = event.ref
            values = (
                qualified_resource(ref.api_group, ref.resource),
                event.username,
                event.verb in DELETES,
                ref.namespace,
                ref.name,
            )
            self._database.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)", (*values, event.time))

    def findings(self, first: str, last: str) -> Iterator[Finding]:
        """Yield decisions between two times whose request should be in the API server's log and is missing."""
        self._database.executescript(INDEXES)
        reported = explained = late = omitted = 0
        since = ""
        for chain, seq, time, file, line, *request in self._database.execute(UNMATCHED, (first, last)):
            if time > shift_time(last, -LONGEST_LOG_DELAY):
                late += 1
                continue
            evidence = "" if self._has_request(time, request) else self._logging_evidence(*request)
            if not evidence:
                explained, since = explained + 1, since or time
            elif reported == MOST_FINDINGS:
                omitted += 1
            else:
                reported += 1
                yield Finding(
                    FindingKind.INSERTED, LinePosition(file, line, 0), describe(request, evidence), chain, seq
                )
        if explained:
            self.notes.append(
                f"{counted(explained, 'decision')} of that time, first at {since}, only in the log of catflap: "
                f"{UNMATCHED_EXPLANATION}"
            )
        if late:
            self.notes.append(
                f"{counted(late, 'decision')} came too late: the log of the API server has no event for them yet"
            )
        if omitted:
            self.notes.append(f"{counted(omitted, 'more decision')} without a request in the log of the API server")

    def _has_request(self, time: str, request: Sequence[str]) -> bool:
        """Return whether there is an event of the same request, which was sent again or abandoned."""
        resource, user, verb, namespace, name = request
        around = (shift_time(time, -REQUEST_WINDOW), shift_time(time, REQUEST_WINDOW))
        values = (resource, user, verb in DELETES, *around, namespace, name, name)
        return self._database.execute(SAME_REQUEST_EVENT, values).fetchone() is not None

    def _logging_evidence(self, resource: str, user: str, verb: str, namespace: str, _: str) -> str:
        """Return why such a request would be in the log, or an empty string if the API server's policy may omit it."""
        similar = self._count("resource = ? AND deletes = ?", resource, verb in DELETES)
        by_user = self._count("user = ?", user)
        in_namespace = self._count("namespace = ?", namespace) if namespace else 1
        if (
            not similar
            or (not by_user and user.startswith("system:"))
            or (not in_namespace and namespace.startswith("kube-"))
        ):
            return ""
        return f"{counted(similar, 'request')} to {'delete' if verb in DELETES else 'write'} {resource.strip('/')}, {by_user} by this user"

    def _count(self, condition: str, *values: str | bool) -> int:
        [(count,)] = self._database.execute(f"SELECT count(*) FROM requests WHERE {condition}", values)  # noqa: S608 (fixed)
        return int(count)


def qualified_resource(group: str, resource: str) -> str:
    """Return a resource with its API group."""
    return f"{group}/{resource}"


def request_identity(record: ChainRecord) -> tuple[str, str, str, str, str]:
    """Return what identifies a decision's request: resource, user, verb, namespace, name."""
    ref = record.object_ref
    return qualified_resource(ref.api_group, ref.resource), record.user.username, record.verb, ref.namespace, ref.name


def describe(request: list[str], evidence: str) -> str:
    """Return the description of a decision without a request."""
    resource, user, verb, namespace, name = request
    target = "/".join(part for part in (namespace, name) if part)
    request_text = f"{verb} {resource.strip('/')} {target} by {user}"
    return (
        f"the log of the API server contains no request for this decision ({request_text}): it has {evidence}, and none "
        f"of them matches within 5 minutes; {FORGED_EXPLANATION}"
    )


@lru_cache(maxsize=1 << 12)
def shift_time(time: str, by: timedelta) -> str:
    """Return a time moved by a period, in the format of records and events."""
    try:
        return timestamp(datetime.fromisoformat(time).astimezone(UTC) + by)
    except (ValueError, OverflowError):
        return time


UNMATCHED_EXPLANATION: Final = (
    "the audit policy of the API server omits their requests, or the API server sent the review more than once or "
    "did not wait for the answer"
)
FORGED_EXPLANATION: Final = (
    "another client sent the review, or the log of another API server is missing from the arguments"
)
