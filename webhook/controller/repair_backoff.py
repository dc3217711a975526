"""Backs off repairs of a namespace whose policies others keep changing, so that they do not occupy every worker."""

from collections.abc import Callable
from time import monotonic
from typing import Final

# More than a person reverts by hand. After that, repairs are delayed, and the gate repairs for each new Pod in the
# meantime.
REPAIRS_WITHOUT_DELAY: Final = 60
QUIET_SECONDS: Final = 60.0
LONGEST_PAUSE_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.1


class RepairBackoff:
    """Counts repairs by namespace; the size is bounded by the number of namespaces."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[int, float]] = {}

    def record_repair(self, name: str) -> bool:
        """Count a repair; return whether it is the first that exceeds the limit."""
        count = self._count(name) + 1
        self._counts[name] = (count, self._clock())
        return count == REPAIRS_WITHOUT_DELAY + 1

    def delay(self, name: str) -> float:
        """Return the seconds to wait before the next repair."""
        beyond = self._count(name) - REPAIRS_WITHOUT_DELAY
        return min(FIRST_PAUSE_SECONDS * 2.0 ** min(beyond, 10), LONGEST_PAUSE_SECONDS) if beyond > 0 else 0.0

    def forget(self, name: str) -> None:
        """Drop the count of a deleted namespace."""
        self._counts.pop(name, None)

    def _count(self, name: str) -> int:
        count, last = self._counts.get(name, (0, 0.0))
        return count if self._clock() - last < QUIET_SECONDS else 0
