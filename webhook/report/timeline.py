"""Count events over time: as fine as the period allows, in a limited number of steps."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

MINUTE, HOUR, DAY = 60, 3_600, 86_400
# Familiar steps, in seconds; the last ones are for records with a false time.
STEPS: Final = (
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    6 * HOUR,
    DAY,
    7 * DAY,
    28 * DAY,
    364 * DAY,
    3_640 * DAY,
    36_400 * DAY,
)
MOST_STEPS: Final = 2_000  # during the reading
SHOWN_STEPS: Final = 48
MOST_NAMES: Final = 100  # further names are counted together
OTHERS: Final = ""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
YEARS: Final = range(EPOCH.year, 3_000)  # the years that a genuine record can have


def parse_time(time: str) -> datetime | None:
    """Return a record's time, or None if it is not valid, as in a forged record."""
    try:
        found = datetime.fromisoformat(time)
    except ValueError:
        return None
    return found if found.tzinfo and found.year in YEARS else None


class Timeline:
    """Counts by name and time step."""

    def __init__(self) -> None:
        self._step = 0  # an index of STEPS
        self._counts: dict[int, Counter[str]] = {}
        self._names: set[str] = set()
        self.undated = 0

    def add(self, name: str, time: str) -> None:
        """Count a name once more, at a time."""
        at = parse_time(time)
        if at is None:
            self.undated += 1
            return
        if name not in self._names and len(self._names) >= MOST_NAMES:
            name = OTHERS
        self._names.add(name)
        step = int((at - EPOCH).total_seconds()) // STEPS[self._step]
        self._counts.setdefault(step, Counter())[name] += 1
        while len(self._counts) > MOST_STEPS:
            self._coarsen()

    def series(self) -> "Series":
        """Return the counts in steps of one length without gaps, few enough for the page."""
        while self._counts and self._span() > SHOWN_STEPS:
            self._coarsen()
        if not self._counts:
            return Series(timedelta(0), [], {})
        steps = range(min(self._counts), max(self._counts) + 1)
        totals: Counter[str] = Counter()
        for counts in self._counts.values():
            totals += counts
        names = [name for name, _ in totals.most_common()]
        none: Counter[str] = Counter()
        by_name = {name: [self._counts.get(step, none)[name] for step in steps] for name in names}
        seconds = STEPS[self._step]
        return Series(
            timedelta(seconds=seconds), [EPOCH + timedelta(seconds=step * seconds) for step in steps], by_name
        )

    def _span(self) -> int:
        return max(self._counts) - min(self._counts) + 1

    def _coarsen(self) -> None:
        before, self._step = STEPS[self._step], self._step + 1
        counts: dict[int, Counter[str]] = {}
        for step, found in self._counts.items():
            counts.setdefault(step * before // STEPS[self._step], Counter()).update(found)
        self._counts = counts


class Series:
    """Steps of one length, and for each name a count for every step; the most frequent name first."""

    def __init__(self, step: timedelta, begins: list[datetime], counts: dict[str, list[int]]) -> None:
        self.step = step
        self.begins = begins
        self.counts = counts

    def __bool__(self) -> bool:
        return bool(self.begins)

    def folded(self, limit: int) -> dict[str, list[int]]:
        """Return the most frequent names, and the sum of the others under `OTHERS`."""
        named = [name for name in self.counts if name != OTHERS]
        kept = {name: self.counts[name] for name in named[:limit]}
        rest = [self.counts[name] for name in self.counts if name not in kept]
        if rest:
            kept[OTHERS] = [sum(values) for values in zip(*rest, strict=True)]
        return kept
