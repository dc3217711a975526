"""Verified namespaces that an administrator lets catflap trust for some time, which saves one API read per Pod."""

from collections.abc import Callable
from time import monotonic

# Namespaces in which Pods are created at the same time. A namespace beyond that is verified again.
MAX_ENTRIES = 4096


class VerificationCache:
    """Remembers when the isolation of each namespace was last verified.

    An entry's age counts from the beginning of its verification. The entry says nothing about later changes: a user that removes
    the policy or the namespace within the configured time leaves Pods without isolation for the rest of that time.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._verified: dict[str, float] = {}

    def now(self) -> float:
        """Return the time at which a verification begins."""
        return self._clock()

    def is_fresh(self, key: str, seconds: float) -> bool:
        """Return whether a verification began less than `seconds` ago; always False for 0."""
        return self._clock() - self._verified.get(key, float("-inf")) < seconds

    def add(self, key: str, begun: float, seconds: float) -> None:
        """Remember a verification for `seconds`; does nothing for 0."""
        if not seconds:
            return
        if len(self._verified) >= MAX_ENTRIES:
            self._verified = {key: at for key, at in self._verified.items() if begun - at < seconds}
        if len(self._verified) < MAX_ENTRIES:
            self._verified[key] = begun
