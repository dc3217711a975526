"""Proofs that an admin lets us trust for a while, to spare the API server a read a Pod."""

from collections.abc import Callable
from time import monotonic

# Namespaces with Pods being made at the same time; beyond that a proof is asked for anew.
MOST = 4096


class Freshness:
    """When each namespace was last proven closed.

    A proof counts from its beginning. It is not the namespace that stands now, nor the policy: whoever removes either
    within the time opens a window of that length.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._proven: dict[str, float] = {}

    def now(self) -> float:
        """The beginning of a proof."""
        return self._clock()

    def is_fresh(self, key: str, seconds: float) -> bool:
        """Whether a proof began less than `seconds` ago; never for 0."""
        return self._clock() - self._proven.get(key, float("-inf")) < seconds

    def keep(self, key: str, begun: float, seconds: float) -> None:
        """Remember a proof for `seconds`; nothing for 0."""
        if not seconds:
            return
        if len(self._proven) >= MOST:
            self._proven = {key: at for key, at in self._proven.items() if begun - at < seconds}
        if len(self._proven) < MOST:
            self._proven[key] = begun
