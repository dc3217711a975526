"""Counting without end, in bounded memory."""

from datetime import UTC, datetime, timedelta

import pytest

from webhook.report import tally
from webhook.report.tally import WIDTHS, Tally, Timeline

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)


def test_the_most_frequent_come_first_and_the_rest_is_counted() -> None:
    """Nothing that was counted is lost."""
    counts: Tally[str] = Tally()
    for name in "abcabca":
        counts.add(name)
    assert counts.ranked(2) == ([("a", 3), ("b", 2)], 2)
    assert counts.total == 7


def test_names_without_end_take_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that come too late count together."""
    monkeypatch.setattr(tally, "MOST_NAMES", 3)
    counts: Tally[int] = Tally()
    for number in range(10):
        counts.add(number)
        counts.add(0)
    assert counts.ranked(1) == ([(0, 11)], 9)
    assert len(counts.ranked(100).named) == 3


def test_spans_are_as_fine_as_there_is_room_for() -> None:
    """With those in between in which nothing came."""
    line = Timeline()
    for minutes in (0, 0, 3):
        line.add(AT + timedelta(minutes=minutes), "allowed")
    assert [(at, counts["allowed"]) for at, counts in line.spans(60)] == [
        (AT, 2),
        (AT + timedelta(minutes=1), 0),
        (AT + timedelta(minutes=2), 0),
        (AT + timedelta(minutes=3), 1),
    ]
    assert [counts["allowed"] for _, counts in line.spans(2)] == [3]
    assert line.width == timedelta(minutes=5)


@pytest.mark.parametrize("days", [1, 40, 400, 4000])
def test_a_long_time_makes_spans_wide(days: int) -> None:
    """Every record stays in its place, whenever spans grew."""
    line = Timeline()
    for hour in range(0, 24 * days, 5):
        line.add(AT + timedelta(hours=hour), "denied")
    spans = line.spans(60)
    assert len(spans) <= 60 or line.width == WIDTHS[-1]
    assert sum(counts["denied"] for _, counts in spans) == len(range(0, 24 * days, 5))
    assert spans[0][0] <= AT < spans[0][0] + line.width


def test_times_that_are_none_do_not_fill_memory() -> None:
    """A record may say any time."""
    line = Timeline()
    for year in (1, 2026, 9999):
        line.add(datetime(year, 1, 1, tzinfo=UTC), "denied")
    assert len(line.spans(60)) == 3
