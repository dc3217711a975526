"""An index of many interval sets: it finds the sets that contain a number. Sets are bits of an integer."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator

from webhook.model.intervals import Intervals


class IntervalIndex:
    """The number line, cut where a set begins or ends; O(n log n) in the ranges of all sets."""

    def __init__(self, sets: Iterable[tuple[int, Intervals]]) -> None:
        """`sets` are pairs of bits and intervals; no two sets share a bit."""
        turns: defaultdict[int, int] = defaultdict(int)
        for bits, ranges in sets:
            for first, last in ranges:
                turns[first] ^= bits
                turns[last + 1] ^= bits
        self._cuts = sorted(turns)
        self._masks = []
        mask = 0
        for cut in self._cuts:
            mask ^= turns[cut]
            self._masks.append(mask)

    def __iter__(self) -> Iterator[int]:
        """Yield the bits of the sets that hold each segment, in order."""
        return iter(self._masks)

    def holding(self, part: Intervals) -> Iterator[int]:
        """Yield the bits of each segment that a set of numbers touches; 0 is a number that no set holds."""
        for first, last in part:
            at = bisect_right(self._cuts, first) - 1
            if at < 0:
                yield 0
                at = 0
            while at < len(self._cuts) and self._cuts[at] <= last:
                yield self._masks[at]
                at += 1
