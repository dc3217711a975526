"""How soon to write again what somebody else keeps undoing."""

from math import inf
from time import monotonic
from typing import Final

WRITES_WITHOUT_DELAY: Final = 10  # under one policy file: more than a person undoes by mistake
LONGEST_PAUSE_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 2 * LONGEST_PAUSE_SECONDS


class WriteBackoff:
    """How soon to write again: at once for a few writes in a row, then ever later, until it was quiet for a while.

    Replicas of two releases, or under two policy files, would else undo each other's writes as fast as they can.
    """

    def __init__(self) -> None:
        self._writes = 0
        self._last = -inf
        self._policy_digest = ""

    def reset_for(self, digest: str) -> None:
        """Begin anew under another policy file: an edit is no quarrel."""
        if self._policy_digest != digest:
            self._policy_digest, self._writes = digest, 0

    def delay(self) -> float:
        """The seconds to wait before the next write."""
        passed = monotonic() - self._last
        if passed > QUIET_SECONDS:
            self._writes = 0
        beyond = self._writes - WRITES_WITHOUT_DELAY
        return max(0.0, min(2.0**beyond, LONGEST_PAUSE_SECONDS) - passed) if beyond >= 0 else 0.0

    def record_write(self) -> None:
        """A write was made."""
        self._writes += 1
        self._last = monotonic()
