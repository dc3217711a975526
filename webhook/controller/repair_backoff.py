"""How often the policies of a namespace were repaired of late: what keeps changing them must not keep every worker busy."""

from collections.abc import Callable
from time import monotonic
from typing import Final

# More than a person undoes by hand; beyond that a repair waits, and the gate repairs for each new Pod meanwhile.
REPAIRS_WITHOUT_DELAY: Final = 60
QUIET_SECONDS: Final = 60.0
LONGEST_PAUSE_SECONDS: Final = 5.0
FIRST_PAUSE_SECONDS: Final = 0.1


class RepairBackoff:
    """Counts repairs by namespace; bounded by the number of namespaces, which are forgotten with them."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[int, float]] = {}

    def record_repair(self, name: str) -> bool:
        """Count a repair; whether it is the first one too many in a row."""
        count = self._count(name) + 1
        self._counts[name] = (count, self._clock())
        return count == REPAIRS_WITHOUT_DELAY + 1

    def delay(self, name: str) -> float:
        """The seconds to wait before the next repair."""
        beyond = self._count(name) - REPAIRS_WITHOUT_DELAY
        return min(FIRST_PAUSE_SECONDS * 2.0 ** min(beyond, 10), LONGEST_PAUSE_SECONDS) if beyond > 0 else 0.0

    def forget(self, name: str) -> None:
        """The namespace is gone."""
        self._counts.pop(name, None)

    def _count(self, name: str) -> int:
        count, last = self._counts.get(name, (0, 0.0))
        return count if self._clock() - last < QUIET_SECONDS else 0
