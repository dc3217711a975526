"""Find decisions without a request in the API server's log, and separate legitimate from unexplained ones."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from webhook.audit.apiserver import Event
from webhook.audit.finding import Damage, Finding, Place
from webhook.audit.record import stamp
from webhook.audit.sequence import Head
from webhook.model.counting import counted

# Clocks of two machines differ, and a request may wait for other webhooks: an event within this time may be the same
# request's.
SAME_REQUEST: Final = timedelta(minutes=5)
# The API server writes an event after the answer to its request. No webhook may take longer than this:
# https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#timeouts
NOT_LOGGED_YET: Final = timedelta(seconds=30)
MOST_TOLD: Final = 1000
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
ALONE: Final = """
SELECT chain, seq, decisions.time, decisions.file, decisions.line, resource, user, verb, namespace, name FROM decisions
LEFT JOIN anchors USING (chain, seq) WHERE anchors.hash IS NULL AND decisions.time BETWEEN ? AND ? ORDER BY decisions.time
"""
SAME: Final = """
SELECT 1 FROM requests WHERE resource = ? AND user = ? AND deletes = ? AND time BETWEEN ? AND ?
AND (namespace = ? OR resource = '/namespaces') AND (name = ? OR name = '' OR ? LIKE '%*') LIMIT 1
"""


class Unasked:
    """Takes the API server's requests, and yields the decisions that no request explains."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._database.executescript(TABLES)
        self.notes: list[str] = []

    def take(self, event: Event) -> None:
        """Remember a request that may belong to a decision."""
        if event.verb not in READS:
            ref = event.ref
            values = (kind(ref.api_group, ref.resource), event.caller, event.verb in DELETES, ref.namespace, ref.name)
            self._database.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?)", (*values, event.time))

    def findings(self, first: str, last: str) -> Iterator[Finding]:
        """Yield decisions between two times whose request should be in the API server's log and is missing."""
        self._database.executescript(INDEXES)
        told = explained = late = more = 0
        since = ""
        for chain, seq, time, file, line, *about in self._database.execute(ALONE, (first, last)):
            if time > moved(last, -NOT_LOGGED_YET):
                late += 1
                continue
            evidence = "" if self._has_same(time, about) else self._covers(*about)
            if not evidence:
                explained, since = explained + 1, since or time
            elif told == MOST_TOLD:
                more += 1
            else:
                told += 1
                yield Finding(Damage.INSERTED, Place(file, line, 0), in_words(about, evidence), chain, seq)
        if explained:
            self.notes.append(
                f"{counted(explained, 'decision')} of that time, first at {since}, only in the log of catflap: "
                f"{WHY_OURS_ALONE}"
            )
        if late:
            self.notes.append(
                f"{counted(late, 'decision')} came too late: the log of the API server has no event for them yet"
            )
        if more:
            self.notes.append(f"{counted(more, 'more decision')} without a request in the log of the API server")

    def _has_same(self, time: str, about: Sequence[str]) -> bool:
        """Return whether there is an event of the same request, which was sent again or abandoned."""
        resource, user, verb, namespace, name = about
        around = (moved(time, -SAME_REQUEST), moved(time, SAME_REQUEST))
        values = (resource, user, verb in DELETES, *around, namespace, name, name)
        return self._database.execute(SAME, values).fetchone() is not None

    def _covers(self, resource: str, user: str, verb: str, namespace: str, _: str) -> str:
        """Return why such a request would be in the log, or an empty string if the API server's policy may omit it."""
        alike = self._count("resource = ? AND deletes = ?", resource, verb in DELETES)
        theirs = self._count("user = ?", user)
        there = self._count("namespace = ?", namespace) if namespace else 1
        if not alike or (not theirs and user.startswith("system:")) or (not there and namespace.startswith("kube-")):
            return ""
        return f"{counted(alike, 'request')} to {'delete' if verb in DELETES else 'write'} {resource.strip('/')}, {theirs} by this user"

    def _count(self, where: str, *values: str | bool) -> int:
        [(count,)] = self._database.execute(f"SELECT count(*) FROM requests WHERE {where}", values)  # noqa: S608 (fixed)
        return int(count)


def kind(group: str, resource: str) -> str:
    """Return a resource with its API group."""
    return f"{group}/{resource}"


def about_record(head: Head) -> tuple[str, str, str, str, str]:
    """Return what identifies a decision's request: resource, user, verb, namespace, name."""
    ref = head.object_ref
    return kind(ref.api_group, ref.resource), head.user.username, head.verb, ref.namespace, ref.name


def in_words(about: list[str], evidence: str) -> str:
    """Return the description of a decision without a request."""
    resource, user, verb, namespace, name = about
    target = "/".join(part for part in (namespace, name) if part)
    what = f"{verb} {resource.strip('/')} {target} by {user}"
    return (
        f"the log of the API server contains no request for this decision ({what}): it has {evidence}, and none "
        f"of them matches within 5 minutes; {OR_ELSE}"
    )


@lru_cache(maxsize=1 << 12)
def moved(time: str, by: timedelta) -> str:
    """Return a time moved by a period, in the format of records and events."""
    try:
        return stamp(datetime.fromisoformat(time).astimezone(UTC) + by)
    except (ValueError, OverflowError):
        return time


WHY_OURS_ALONE: Final = (
    "the audit policy of the API server omits their requests, or the API server sent the review more than once or "
    "did not wait for the answer"
)
OR_ELSE: Final = "another client sent the review, or the log of another API server is missing from the arguments"
