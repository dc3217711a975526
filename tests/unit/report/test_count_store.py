"""Test that counts are exact, whatever moves to disk."""

from collections import Counter
from random import Random

import pytest

from webhook.report import count_store
from webhook.report.count_store import Count, CountStore, PolicyEvent, TimelineEntry

NAMES = 500
SHOWN = 10


def time(number: int) -> str:
    """Return a time; times sort as their numbers do."""
    return f"2026-01-31T12:{number // 60:02}:{number % 60:02}"


@pytest.mark.parametrize("room", [3, 20_000])
def test_counts_are_those_of_a_counter(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """The counts are exact whether all of them or almost none fit into memory."""
    monkeypatch.setattr(count_store, "MOST_IN_MEMORY", room)
    chosen = Random(7).choices([f"name-{number}" for number in range(NAMES)], weights=range(1, NAMES + 1), k=3_000)
    book = CountStore()
    for number, name in enumerate(chosen):
        book.add("rule", name, time(number))
        book.add("other", "x", time(0))
    wanted = sorted(Counter(chosen).items(), key=lambda one: (-one[1], one[0]))
    found = book.top("rule", SHOWN)
    assert [(row.name, row.count) for row in found.rows] == wanted[:SHOWN]
    assert (found.names, found.total) == (len(wanted), len(chosen))
    assert (found.others, found.others_count) == (len(wanted) - SHOWN, sum(count for _, count in wanted[SHOWN:]))
    first = [number for number, name in enumerate(chosen) if name == wanted[0][0]]
    assert (found.rows[0].first, found.rows[0].last) == (time(first[0]), time(first[-1]))
    assert (book.total("rule"), book.total("rule", wanted[0][0])) == (len(chosen), wanted[0][1])


def test_counting_continues_after_a_read() -> None:
    """A later count adds to the count on disk."""
    book = CountStore()
    for _ in range(2):
        book.add("rule", "x", time(1))
        book.top("rule", SHOWN)
    assert book.top("rule", SHOWN).rows == (Count("x", 2, time(1), time(1)),)


def test_absent_kind_has_no_rows_and_no_sum() -> None:
    """There are no rows and no sum."""
    book = CountStore()
    assert not book.top("rule", SHOWN)
    assert book.total("rule") == 0
    assert book.entries("start", SHOWN) == ((), 0)


def test_events_come_by_namespace_in_the_order_of_their_times() -> None:
    """The order of the files and of the calls makes no difference."""
    book = CountStore()
    told = [PolicyEvent(space, time(at), "stands", "") for space, at in (("b", 2), ("a", 3), ("b", 1), ("a", 0))]
    for event in told:
        book.add_event(event)
    assert list(book.events()) == [told[3], told[1], told[2], told[0]]


def test_last_entries_are_listed_and_earlier_entries_counted() -> None:
    """The shown events are in time order."""
    book = CountStore()
    for at in (2, 0, 1):
        book.add_entry("start", TimelineEntry(time(at), "started", str(at)))
    found, before = book.entries("start", 2)
    assert ([one.details for one in found], before) == (["1", "2"], 1)


def test_long_name_is_cut() -> None:
    """A line may have 16 MiB."""
    book = CountStore()
    book.add("rule", "x" * 10_000, time(0))
    [row] = book.top("rule", SHOWN).rows
    assert row.name == "x" * count_store.LONGEST_NAME
