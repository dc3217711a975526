"""Counts of what a log names, in bounded memory however much it names."""

from collections import Counter
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, NamedTuple, TypeVar

Name = TypeVar("Name", bound=Hashable)

# Names come from whoever asked, so there may be any number of them; some hundred bytes each.
MOST_NAMES: Final = 10_000
# Widths of time that people know; the last one takes 190 years of them to fill.
WIDTHS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 6 * 60, 24 * 60, 7 * 24 * 60, 28 * 24 * 60)
)
MOST_SPANS: Final = 2_500
EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
FIRST: Final = datetime.min.replace(tzinfo=UTC) - EPOCH


class Ranked(NamedTuple, Generic[Name]):
    """The most frequent names, and how often all others came together."""

    named: list[tuple[Name, int]]
    others: int


class Tally(Generic[Name]):
    """How often each name came; those that come once there are too many count together."""

    def __init__(self) -> None:
        self._counts: Counter[Name] = Counter()
        self._beyond = 0

    def add(self, name: Name) -> None:
        """It came once more."""
        if name in self._counts or len(self._counts) < MOST_NAMES:
            self._counts[name] += 1
        else:
            self._beyond += 1

    def __getitem__(self, name: Name) -> int:
        return self._counts[name]

    @property
    def total(self) -> int:
        """All of them."""
        return self._counts.total() + self._beyond

    def ranked(self, most: int) -> Ranked[Name]:
        """The `most` frequent ones, the first that came first among equals."""
        named = self._counts.most_common(most)
        return Ranked(named, self.total - sum(count for _, count in named))


class Timeline:
    """How often what came in which span of time; spans grow with the time that is looked at."""

    def __init__(self) -> None:
        self._width = 0
        self._spans: dict[int, Counter[str]] = {}

    @property
    def width(self) -> timedelta:
        """How long a span is."""
        return WIDTHS[self._width]

    def add(self, at: datetime, what: str) -> None:
        """It came once more."""
        number = (at - EPOCH) // self.width
        self._spans.setdefault(number, Counter())[what] += 1
        if len(self._spans) > MOST_SPANS:
            self._widen()

    def spans(self, most: int) -> list[tuple[datetime, Counter[str]]]:
        """Every span from the first to the last, those without anything too, and no more than `most` of them if that can be."""
        while self._spans and max(self._spans) - min(self._spans) >= most and self._width + 1 < len(WIDTHS):
            self._widen()
        if not self._spans or max(self._spans) - min(self._spans) >= MOST_SPANS:  # its times are no times
            return [(self._begin(number), self._spans[number]) for number in sorted(self._spans)]
        whole = range(min(self._spans), max(self._spans) + 1)
        return [(self._begin(number), self._spans.get(number, Counter())) for number in whole]

    def _begin(self, number: int) -> datetime:
        return EPOCH + max(number * self.width, FIRST)

    def _widen(self) -> None:
        if self._width + 1 == len(WIDTHS):
            return
        old, self._width = self.width, self._width + 1
        spans: dict[int, Counter[str]] = {}
        for number, counts in self._spans.items():
            spans.setdefault(number * old // self.width, Counter()).update(counts)
        self._spans = spans
