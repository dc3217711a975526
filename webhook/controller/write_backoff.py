"""Backs off writes that others keep reverting."""

from math import inf
from time import monotonic
from typing import Final

WRITES_WITHOUT_DELAY: Final = 10  # under one policy file: more than a person reverts by mistake
LONGEST_PAUSE_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 2 * LONGEST_PAUSE_SECONDS


class WriteBackoff:
    """Delays writes: the first few in a row not at all, later ones increasingly, until a quiet period.

    Without it, replicas of two releases, or under two policy files, would revert each other's writes as fast as they
    can.
    """

    def __init__(self) -> None:
        self._writes = 0
        self._last = -inf
        self._policy_digest = ""

    def reset_for(self, digest: str) -> None:
        """Reset the count under another policy file, as an edit of the file is no conflict."""
        if self._policy_digest != digest:
            self._policy_digest, self._writes = digest, 0

    def delay(self) -> float:
        """Return the seconds to wait before the next write."""
        passed = monotonic() - self._last
        if passed > QUIET_SECONDS:
            self._writes = 0
        beyond = self._writes - WRITES_WITHOUT_DELAY
        return max(0.0, min(2.0**beyond, LONGEST_PAUSE_SECONDS) - passed) if beyond >= 0 else 0.0

    def record_write(self) -> None:
        """Count a write."""
        self._writes += 1
        self._last = monotonic()
