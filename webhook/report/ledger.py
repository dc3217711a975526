"""Exact counts of any number of names, in bounded memory: what does not fit goes into a database on disk that is gone with the process."""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

# Some ten MiB; a cluster's own names are fewer.
MOST_IN_MEMORY: Final = 20_000
LONGEST_NAME: Final = 300  # of what is counted; whoever asks may name things at length

TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE counts (kind, name, count INTEGER, first, last, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE events (space, time, what, who);
CREATE TABLE happenings (kind, time, what, details);
"""
ADD: Final = """
INSERT INTO counts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET count = count + excluded.count, first = min(first, excluded.first), last = max(last, excluded.last)
"""


class Count(Struct, frozen=True):
    """How often something stands in the log, and from when to when."""

    name: str
    count: int
    first: str
    last: str


class Top(Struct, frozen=True):
    """The most frequent of a kind; the others are counted together."""

    rows: tuple[Count, ...] = ()
    others: int = 0  # how many names
    others_count: int = 0  # how often all of them
    total: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows)

    @property
    def names(self) -> int:
        """How many there are in all."""
        return len(self.rows) + self.others


class Happening(Struct, frozen=True):
    """One thing that is told by itself."""

    time: str
    what: str
    details: str


class Event(Struct, frozen=True):
    """Something that says how it stood with a namespace's default-deny policy."""

    space: str
    time: str
    what: str
    who: str


class Ledger:
    """Takes counts and events one by one, and gives them back in order."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # on disk, under no name
        self._database.executescript(TABLES)
        self._counts: dict[tuple[str, str], list[Any]] = {}  # count, first and last
        self._events: list[tuple[str, str, str, str]] = []

    def count(self, kind: str, name: str, time: str) -> None:
        """One more of a name."""
        key = (kind, name[:LONGEST_NAME])
        found = self._counts.get(key)
        if found is None:
            self._counts[key] = [1, time, time]
            if len(self._counts) > MOST_IN_MEMORY:
                self._put_aside()
            return
        found[0] += 1
        found[1] = min(found[1], time)
        found[2] = max(found[2], time)

    def event(self, event: Event) -> None:
        """One more event."""
        self._events.append((event.space[:LONGEST_NAME], event.time, event.what, event.who[:LONGEST_NAME]))
        if len(self._events) > MOST_IN_MEMORY:
            self._put_aside()

    def happened(self, kind: str, happening: Happening) -> None:
        """One more thing that is told by itself."""
        values = (kind, happening.time, happening.what[:LONGEST_NAME], happening.details[:LONGEST_NAME])
        self._database.execute("INSERT INTO happenings VALUES (?, ?, ?, ?)", values)

    def top(self, kind: str, most: int) -> Top:
        """The most frequent names of a kind, the most frequent one first."""
        self._put_aside()
        [(names, total)] = self._database.execute("SELECT count(*), sum(count) FROM counts WHERE kind = ?", (kind,))
        found = self._database.execute(
            "SELECT name, count, first, last FROM counts WHERE kind = ? ORDER BY count DESC, name LIMIT ?", (kind, most)
        )
        rows = tuple(Count(*row) for row in found)
        total = total or 0
        return Top(rows, names - len(rows), total - sum(row.count for row in rows), total)

    def total(self, kind: str, name: str | None = None) -> int:
        """How often a name of a kind stands there, or all of them."""
        self._put_aside()
        asked = "SELECT sum(count) FROM counts WHERE kind = ?1 AND ?2 IN (name, '')"
        [(found,)] = self._database.execute(asked, (kind, name or ""))
        return found or 0

    def happenings(self, kind: str, most: int) -> tuple[tuple[Happening, ...], int]:
        """The last ones of a kind in the order of their times, and how many came before."""
        [(total,)] = self._database.execute("SELECT count(*) FROM happenings WHERE kind = ?", (kind,))
        found = self._database.execute(
            "SELECT time, what, details FROM happenings WHERE kind = ? ORDER BY time DESC LIMIT ?", (kind, most)
        )
        rows = tuple(Happening(*row) for row in found)
        return rows[::-1], total - len(rows)

    def events(self) -> Iterator[Event]:
        """Every event, namespace by namespace, in the order of their times: files of several writers overlap."""
        self._put_aside()
        found = self._database.execute("SELECT space, time, what, who FROM events ORDER BY space, time, rowid")
        return (Event(*row) for row in found)

    def _put_aside(self) -> None:
        self._database.executemany(ADD, [(*key, *values) for key, values in self._counts.items()])
        self._database.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", self._events)
        self._counts.clear()
        self._events.clear()
