"""Sets of whole numbers as sorted ranges: addresses and ports are compared by a sweep over these."""

from collections.abc import Iterable, Sequence

Interval = tuple[int, int]  # the first and the last number, both included
Intervals = tuple[Interval, ...]  # sorted; no two overlap or touch


def merged(found: Iterable[Interval]) -> Intervals:
    """Return the union of ranges, sorted, with ranges that overlap or touch joined; O(n log n)."""
    joined: list[Interval] = []
    for first, last in sorted(found):
        if joined and first <= joined[-1][1] + 1:
            if last > joined[-1][1]:
                joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return tuple(joined)


def shared(one: Intervals, other: Intervals) -> Intervals:
    """Return the numbers that are in both sets; linear in their ranges."""
    found: list[Interval] = []
    at = beside = 0
    while at < len(one) and beside < len(other):
        first, last = max(one[at][0], other[beside][0]), min(one[at][1], other[beside][1])
        if first <= last:
            found.append((first, last))
        if one[at][1] < other[beside][1]:
            at += 1
        else:
            beside += 1
    return tuple(found)


def without(whole: Intervals, removed: Intervals) -> Intervals:
    """Return the numbers of the first set that are not in the second; linear in their ranges."""
    if not whole or not removed:
        return whole
    begin, end = min(whole[0][0], removed[0][0]), max(whole[-1][1], removed[-1][1])
    firsts = (begin, *(last + 1 for _, last in removed))
    lasts = (*(first - 1 for first, _ in removed), end)
    return shared(whole, tuple((first, last) for first, last in zip(firsts, lasts, strict=True) if first <= last))


def size(found: Sequence[Interval]) -> int:
    """Return how many numbers are in a set."""
    return sum(last - first + 1 for first, last in found)


def contains(whole: Intervals, part: Intervals) -> bool:
    """Return whether each number of the second set is in the first."""
    return not without(part, whole)
