"""What one controller process saw of the secret path."""

from collections.abc import Callable, Mapping
from typing import Final

from webhook.model.path_tokens import PathTokens

# The server processes whose counts of late reviews are remembered: those of a large Deployment, before and after it is rolled out.
MOST_SERVERS: Final = 64


class Memory:
    """What one process saw, and since when by its own clock: clocks of others do not count."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._registered = self._next = ""
        self._since = self._next_since = 0.0
        self._alone_since: float | None = None
        self.tokens: PathTokens | None = None  # as they were stored last
        self.failed = False  # a server did not answer since the token was registered
        self.shown = False  # or answered a review too late
        self._late: dict[str, int] = {}

    def see(self, tokens: PathTokens, registered: frozenset[str]) -> None:
        """What is stored, and what is registered, at this moment."""
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

    def hear(self, late: Mapping[str, int]) -> None:
        """How many reviews the servers answered too late; a count that a process began with is taken for new."""
        self.shown = self.shown or any(count > self._late.get(name, 0) for name, count in late.items())
        others = {name: count for name, count in self._late.items() if name not in late}
        self._late = dict([*others.items(), *late.items()][-MOST_SERVERS:])

    @property
    def age(self) -> float:
        """How long the registered token has been in its place."""
        return self._clock() - self._since

    @property
    def settled(self) -> float:
        """How long it has been the only one that is registered."""
        return 0.0 if self._alone_since is None else self._clock() - self._alone_since

    @property
    def next_age(self) -> float:
        """How long the next token has been stored."""
        return self._clock() - self._next_since
