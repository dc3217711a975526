"""Test that steps are as fine as the period allows, and that coarser steps lose nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from webhook.report import timeline
from webhook.report.timeline import OTHERS, SHOWN_STEPS, Timeline, parse_time

BEGIN = datetime(2026, 1, 31, 12, tzinfo=UTC)


def fill_timeline(spacing: timedelta, count: int, names: int = 1) -> Timeline:
    """Return a timeline of `count` events in sequence."""
    line = Timeline()
    for number in range(count):
        line.add(f"rule-{number % names}", (BEGIN + number * spacing).isoformat())
    return line


@pytest.mark.parametrize(
    ("spacing", "count", "step"),
    [
        (timedelta(seconds=1), 100, timedelta(minutes=1)),
        (timedelta(minutes=1), 100, timedelta(minutes=5)),
        (timedelta(minutes=30), 300, timedelta(hours=6)),
        (timedelta(days=30), 2_500, timedelta(days=3_640)),
        (timedelta(days=300), 1_100, timedelta(days=36_400)),
    ],
)
def test_the_step_fits_the_period(spacing: timedelta, count: int, step: timedelta) -> None:
    """The number of shown steps has a limit, all events count, and no step between is missing."""
    series = fill_timeline(spacing, count).series()
    assert series.step == step
    assert sum(series.counts["rule-0"]) == count
    assert len(series.begins) <= SHOWN_STEPS
    assert {later - first for first, later in zip(series.begins, series.begins[1:], strict=False)} <= {step}
    assert series.begins[0] <= BEGIN < series.begins[0] + step


def test_timeline_is_bounded_during_filling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The length of the period makes no difference."""
    monkeypatch.setattr(timeline, "MOST_STEPS", 10)
    line = fill_timeline(timedelta(minutes=7), 5_000)
    assert len(line._counts) <= 10
    assert sum(line.series().counts["rule-0"]) == 5_000


def test_number_of_separate_names_is_limited() -> None:
    """The other names are summed."""
    folded = fill_timeline(timedelta(seconds=1), 700, names=7).series().folded(5)
    assert list(folded) == [*(f"rule-{number}" for number in range(5)), OTHERS]
    assert [sum(counts) for counts in folded.values()] == [100] * 5 + [200]


def test_names_without_bound_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be many custom rules, and a forged record may have any name."""
    monkeypatch.setattr(timeline, "MOST_NAMES", 3)
    series = fill_timeline(timedelta(seconds=1), 70, names=7).series()
    assert set(series.counts) == {"rule-0", "rule-1", "rule-2", OTHERS}
    assert sum(series.counts[OTHERS]) == 40


def test_the_longest_period_there_is_fits() -> None:
    """A forged record may have any time; steps and years have limits."""
    line = Timeline()
    for time in ("1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z"):
        line.add("x", time)
    series = line.series()
    assert len(series.begins) <= SHOWN_STEPS
    assert sum(series.counts["x"]) == 2


@pytest.mark.parametrize(
    "time", ["", "yesterday", "2026-01-31T12:00:00", "9999-01-31T12:00:00Z", "0001-01-01T00:00:00Z"]
)
def test_invalid_time_is_counted_separately(time: str) -> None:
    """A forged record may have any text."""
    line = Timeline()
    line.add("x", time)
    assert parse_time(time) is None
    assert line.undated == 1
    assert not line.series()
