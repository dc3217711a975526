"""Rotates the secret path: reads what is stored and registered, asks the servers, and takes one step at a time."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from secrets import token_hex
from threading import Event, Thread
from time import monotonic
from typing import Final, Protocol

from webhook.controller.rotation import Pace, Situation, registered_tokens, step
from webhook.kube.api import CONFLICT, NOT_FOUND, Api, ApiError, Json
from webhook.kube.registrations import PHASES
from webhook.kube.registrations import path as configuration_path
from webhook.kube.webhook_path import BadTokens, collection, path, read, write
from webhook.model.path_tokens import PathTokens, Token

logger = logging.getLogger(__name__)

TOKEN_BYTES: Final = 32
# How often the servers are asked whether they answer, as a part of the period: every 5 s usually.
LOOK: Final = 1 / 60
# And as long as a step waits for them.
LOOK_SOON_SECONDS: Final = 0.5
STAMP: Final = "%Y-%m-%dT%H:%M:%SZ"


class NoToken(Exception):  # noqa: N818 (a state of the cluster)
    """No path can be registered yet; the message says why."""


class Refuses(Exception):  # noqa: N818 (a state of a server)
    """A server does not answer, or does not accept a path; the message says which one, and never the path."""


class Servers(Protocol):
    """The servers, as far as a rotation needs them."""

    def accept(self, token: str) -> bool:
        """See that the servers accept reviews at a path; whether each of them was asked.  Raises Refuses, ApiError."""


class Memory:
    """What one process saw, and since when by its own clock: clocks of others do not count."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._registered = self._next = ""
        self._since = self._next_since = 0.0
        self._alone_since: float | None = None
        self.tokens: PathTokens | None = None  # as they were stored last
        self.failed = False  # a server did not answer since the token was registered

    def see(self, tokens: PathTokens, registered: frozenset[str]) -> None:
        """What is stored, and what is registered, at this moment."""
        now = self._clock()
        current = tokens.registered.value if tokens.registered else ""
        if current != self._registered or not self._since:
            self._registered, self._since, self._alone_since, self.failed = current, now, None, False
        upcoming = tokens.next.value if tokens.next else ""
        if upcoming != self._next:
            self._next, self._next_since = upcoming, now
        if registered != {current}:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now

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


class Rotating:
    """Keeps the Secret of the path; its `on_registered` is called when another token may have to be registered.

    `leads` says whether this replica takes the steps; the first token is stored by whichever replica comes first. `managed` is false
    where somebody registers catflap by hand. `on_write` is told of each write, and why.
    """

    def __init__(
        self,
        api: Api,
        *,
        own_namespace: str,
        servers: Servers,
        leads: Callable[[], bool],
        now: Callable[[], datetime],
        managed: bool = True,
        on_write: Callable[[Json, str], None] = lambda *_: None,
        pace: Pace = Pace(),  # noqa: B008 (frozen)
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._api = api
        self._namespace = own_namespace
        self._servers = servers
        self._leads = leads
        self._now = now
        self._managed = managed
        self.on_registered: Callable[[], None] = lambda: None
        self._on_write = on_write
        self._pace = pace
        self._memory = Memory(clock)
        self._stopped = Event()
        self._trouble = ""

    @property
    def registered(self) -> str:
        """The token to register, read live: a replica that lags must not put an earlier one back.

        Raises NoToken, ApiError.
        """
        found = self._api.get(path(self._namespace))
        if found is None:
            raise NoToken(f"Secret {self._namespace}/{path(self._namespace).rpartition('/')[2]} is not there yet")
        try:
            tokens = read(found)
        except BadTokens as bad:
            raise NoToken(f"{bad}; the replica that leads writes it anew") from None
        if tokens.registered is None:
            raise NoToken("no path is to be registered yet")
        return tokens.registered.value

    def start(self) -> None:
        """Begin, on a thread of its own."""
        Thread(target=self._work, name="path-rotation", daemon=True).start()

    def stop(self) -> None:
        """Take no further step."""
        self._stopped.set()

    def look(self) -> bool:
        """Take one step where one is due; whether another may be due soon.  Raises ApiError."""
        found = self._api.get(path(self._namespace))
        tokens = readable(found)
        self._memory.tokens = tokens or self._memory.tokens
        if not (self._leads() or found is None):
            return False
        configurations = [self._api.get(configuration_path(phase)) for phase in PHASES]
        situation = self._situation(tokens, registered_tokens(*configurations))
        taken = step(situation, self._pace, self._make)
        if taken is None:
            return tokens is not None and tokens.next is not None
        written = self._write(taken.tokens, found)
        if written is not None:
            self._memory.tokens = taken.tokens
            logger.info("the secret path: %s", taken.reason)
            self.on_registered()
            self._on_write(written, taken.reason)
        return True

    def _situation(self, tokens: PathTokens | None, registered: frozenset[str]) -> Situation:
        if tokens is None:
            return Situation(None, registered, managed=self._managed, remembered=self._memory.tokens)
        self._memory.see(tokens, registered)
        accepted = self._asked(tokens) if self._managed and registered else False
        return Situation(
            tokens,
            registered,
            age=max(self._memory.age, self._wall_age(tokens)),
            settled=self._memory.settled,
            accepted=accepted and tokens.next is not None,
            disturbed=accepted and self._memory.failed,
            managed=self._managed,
        )

    def _asked(self, tokens: PathTokens) -> bool:
        """Whether the servers accept the next token, or where there is none, the registered one."""
        asked = tokens.next or tokens.registered
        assert asked is not None
        try:
            each = self._servers.accept(asked.value)
        except (Refuses, ApiError) as bad:
            if str(bad) != self._trouble:
                logger.warning("the secret path: not every server accepts it: %s", bad)
            self._trouble = str(bad)
            self._memory.failed = self._memory.failed or tokens.next is None
            return False
        self._trouble = ""
        return each or self._memory.next_age >= self._pace.settle

    def _wall_age(self, tokens: PathTokens) -> float:
        """How old the registered token is by its time, for a controller that starts again and again."""
        try:
            since = datetime.strptime(tokens.registered.since if tokens.registered else "", STAMP).replace(tzinfo=UTC)
        except ValueError:
            return 0.0
        return (self._now() - since).total_seconds()

    def _make(self) -> Token:
        return Token(token_hex(TOKEN_BYTES), self._now().astimezone(UTC).strftime(STAMP))

    def _write(self, tokens: PathTokens, found: Json | None) -> Json | None:
        """The Secret as it was written; None where another replica was faster."""
        wanted = write(tokens, self._namespace, found)
        if found is None:
            return wanted if self._api.create(collection(self._namespace), wanted) is not None else None
        try:
            self._api.replace(path(self._namespace), wanted)
        except ApiError as error:
            if error.status in {CONFLICT, NOT_FOUND}:
                return None
            raise
        return wanted

    def _work(self) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            look = LOOK * self._pace.period
            try:
                wait = min(look, LOOK_SOON_SECONDS) if self.look() else look
            except Exception as error:  # noqa: BLE001 (the next look must come)
                wait = look
                logger.warning("the secret path is not looked after: %s", error)


def readable(found: Json | None) -> PathTokens | None:
    """The tokens in a Secret; None where there are none that can be used."""
    if found is None:
        return None
    try:
        return read(found)
    except BadTokens as bad:
        logger.warning("the secret path is stored anew: %s", bad)
        return None
