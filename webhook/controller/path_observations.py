"""What one controller process observed of the secret path."""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.model.path_tokens import PathTokens

# The number of server processes whose counts are kept: those of a large Deployment, before and after a rollout.
MAX_SERVERS: Final = 64


class PathObservations:
    """Observations of one process, timed by its own clock, as other clocks may be wrong."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._registered = self._next = ""
        self._since = self._next_since = 0.0
        self._alone_since: float | None = None
        self.tokens: PathTokens | None = None  # as last stored
        self.failed = False  # a server did not answer after the token was registered
        self.shown = False  # a server answered a review too late after the token was registered
        self._late: dict[str, int] = {}

    def record_tokens(self, tokens: PathTokens, registered: frozenset[str]) -> None:
        """Record which tokens are stored and which are registered now."""
        now = self._clock()
        current = tokens.registered.value if tokens.registered else ""
        if current != self._registered or not self._since:
            self._registered, self._since, self._alone_since = current, now, None
            self.failed = self.shown = False
        upcoming = tokens.next.value if tokens.next else ""
        if upcoming != self._next:
            self._next, self._next_since = upcoming, now
        if registered != {current}:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now

    def record_late_reviews(self, late: Mapping[str, int]) -> None:
        """Record how many reviews each server answered too late; the first count of a new process counts as new."""
        self.shown = self.shown or any(count > self._late.get(name, 0) for name, count in late.items())
        others = {name: count for name, count in self._late.items() if name not in late}
        self._late = dict([*others.items(), *late.items()][-MAX_SERVERS:])

    @property
    def age(self) -> float:
        """Return how long the registered token has been registered."""
        return self._clock() - self._since

    @property
    def settled(self) -> float:
        """Return how long it has been the only registered token."""
        return 0.0 if self._alone_since is None else self._clock() - self._alone_since

    @property
    def next_age(self) -> float:
        """Return how long the next token has been stored."""
        return self._clock() - self._next_since
