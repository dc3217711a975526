"""Count any number of names exactly in bounded memory; a database on disk, deleted with the process, has the rest."""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

# Some ten MiB; a cluster's own names are fewer.
MOST_IN_MEMORY: Final = 20_000
LONGEST_NAME: Final = 300  # of a counted name, which a user may choose at any length

TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE counts (kind, name, count INTEGER, first, last, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE events (space, time, what, who);
CREATE TABLE happenings (kind, time, what, details);
"""
ADD_COUNT: Final = """
INSERT INTO counts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET count = count + excluded.count, first = min(first, excluded.first), last = max(last, excluded.last)
"""


class Count(Struct, frozen=True):
    """How often a name is in the log, with its first and last time."""

    name: str
    count: int
    first: str
    last: str


class TopCounts(Struct, frozen=True):
    """The most frequent names of a kind; the others are counted together."""

    rows: tuple[Count, ...] = ()
    others: int = 0  # the number of names
    others_count: int = 0  # the sum of their counts
    total: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows)

    @property
    def names(self) -> int:
        """Return the number of all names."""
        return len(self.rows) + self.others


class TimelineEntry(Struct, frozen=True):
    """One event with its own row in the report."""

    time: str
    what: str
    details: str


class PolicyEvent(Struct, frozen=True):
    """An event in the history of a namespace's default-deny policy."""

    namespace: str
    time: str
    kind: str
    user: str


class CountStore:
    """Takes counts and events one by one, and returns them in order."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # on disk, without a name
        self._database.executescript(TABLES)
        self._counts: dict[tuple[str, str], list[Any]] = {}  # count, first and last time
        self._events: list[tuple[str, str, str, str]] = []

    def add(self, kind: str, name: str, time: str) -> None:
        """Count a name once more."""
        key = (kind, name[:LONGEST_NAME])
        found = self._counts.get(key)
        if found is None:
            self._counts[key] = [1, time, time]
            if len(self._counts) > MOST_IN_MEMORY:
                self._flush()
            return
        found[0] += 1
        found[1] = min(found[1], time)
        found[2] = max(found[2], time)

    def add_event(self, event: PolicyEvent) -> None:
        """Add an event."""
        self._events.append((event.namespace[:LONGEST_NAME], event.time, event.kind, event.user[:LONGEST_NAME]))
        if len(self._events) > MOST_IN_MEMORY:
            self._flush()

    def add_entry(self, kind: str, entry: TimelineEntry) -> None:
        """Add an event with its own row."""
        values = (kind, entry.time, entry.what[:LONGEST_NAME], entry.details[:LONGEST_NAME])
        self._database.execute("INSERT INTO happenings VALUES (?, ?, ?, ?)", values)

    def top(self, kind: str, limit: int) -> TopCounts:
        """Return the most frequent names of a kind, the most frequent one first."""
        self._flush()
        [(names, total)] = self._database.execute("SELECT count(*), sum(count) FROM counts WHERE kind = ?", (kind,))
        found = self._database.execute(
            "SELECT name, count, first, last FROM counts WHERE kind = ? ORDER BY count DESC, name LIMIT ?",
            (kind, limit),
        )
        rows = tuple(Count(*row) for row in found)
        total = total or 0
        return TopCounts(rows, names - len(rows), total - sum(row.count for row in rows), total)

    def total(self, kind: str, name: str | None = None) -> int:
        """Return how often a name of a kind occurs, or all names of the kind."""
        self._flush()
        statement = "SELECT sum(count) FROM counts WHERE kind = ?1 AND ?2 IN (name, '')"
        [(found,)] = self._database.execute(statement, (kind, name or ""))
        return found or 0

    def entries(self, kind: str, limit: int) -> tuple[tuple[TimelineEntry, ...], int]:
        """Return the last events of a kind in time order, and the number of earlier ones."""
        [(total,)] = self._database.execute("SELECT count(*) FROM happenings WHERE kind = ?", (kind,))
        found = self._database.execute(
            "SELECT time, what, details FROM happenings WHERE kind = ? ORDER BY time DESC LIMIT ?", (kind, limit)
        )
        rows = tuple(TimelineEntry(*row) for row in found)
        return rows[::-1], total - len(rows)

    def events(self) -> Iterator[PolicyEvent]:
        """Return all events by namespace, in time order: files of several writers overlap."""
        self._flush()
        found = self._database.execute("SELECT space, time, what, who FROM events ORDER BY space, time, rowid")
        return (PolicyEvent(*row) for row in found)

    def _flush(self) -> None:
        self._database.executemany(ADD_COUNT, [(*key, *values) for key, values in self._counts.items()])
        self._database.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", self._events)
        self._counts.clear()
        self._events.clear()
