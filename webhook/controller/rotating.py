"""Rotates the secret path: reads what is stored and registered, asks the servers, and takes one step at a time."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from secrets import token_hex
from threading import Event, Thread
from time import monotonic
from typing import Final, Protocol

from msgspec import Struct

from webhook.controller.path_memory import Memory
from webhook.controller.rotation import Pace, Situation, step
from webhook.kube.api import CONFLICT, INVALID, NOT_FOUND, Api, ApiError, Json
from webhook.kube.registrations import PHASES
from webhook.kube.registrations import path as configuration_path
from webhook.kube.webhook_path import BadTokens, collection, path, read, registered_tokens, write
from webhook.model.path_tokens import PathTokens, Token
from webhook.model.reason import Reason

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


class Heard(Struct, frozen=True):
    """What servers that accept a path answered.

    `each` says whether each of them was asked. `late` is how many reviews each server process answered too late or not at all,
    by a name that the process chose at its start.
    """

    each: bool
    late: Mapping[str, int] = {}


class Servers(Protocol):
    """The servers, as far as a rotation needs them."""

    def accept(self, token: str) -> Heard:
        """See that the servers accept reviews at a path.  Raises Refuses, ApiError."""


class Rotating:
    """Keeps the Secret of the path; its `on_registered` is called when another token may have to be registered.

    `leads` says whether this replica takes the steps; the first token is stored by whichever replica comes first. `managed` is false
    where somebody registers catflap by hand. `on_write` is told of each write, and why; `on_look` after each look, how many seconds ago the
    token was registered, and what keeps it from being changed (empty where nothing does).
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
        on_write: Callable[[Json, Reason], None] = lambda *_: None,
        on_look: Callable[[float, str], None] = lambda *_: None,
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
        self._on_look = on_look
        self._pace = pace
        self._memory = Memory(clock)
        self._stopped = Event()
        self._trouble = ""

    @property
    def registered(self) -> str:
        """The token to register, read live: a replica that lags must not put an earlier one back.

        One that is not registered yet is given only if every server accepts it, and if what is registered is stored as well: others
        may have replaced the Secret, and an API server, or a server that starts, goes on with the path that is registered.
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
        self._confirm(tokens, tokens.registered.value)
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
        remembered, self._memory.tokens = self._memory.tokens, tokens or self._memory.tokens
        if not (self._leads() or found is None):
            self._on_look(self._wall_age(tokens), "")
            return False
        situation = self._situation(tokens, self._registered(), remembered)
        taken = step(situation, self._pace, self._make)
        if taken is None:
            self._on_look(situation.age, self._trouble)
            return tokens is not None and tokens.next is not None
        written = self._write(taken.tokens, found)
        self._on_look(situation.age, "")
        if written is not None:
            self._memory.tokens = taken.tokens
            logger.info("%s", taken.why.words)
            self.on_registered()
            self._on_write(written, taken.why)
        return True

    def _registered(self) -> frozenset[str]:
        """The tokens in both webhook configurations.  Raises ApiError."""
        return registered_tokens(*(self._api.get(configuration_path(phase)) for phase in PHASES))

    def _confirm(self, tokens: PathTokens, token: str) -> None:
        """See that a token may be registered in place of others.  Raises NoToken, ApiError."""
        if registered := self._registered() - {token}:
            if registered - set(tokens.accepted):
                raise NoToken("the path that is registered is not stored; the replica that leads stores it first")
            try:
                self._servers.accept(token)
            except Refuses as bad:
                raise NoToken(f"the path that is stored is not registered yet: {bad}") from None

    def _situation(
        self, tokens: PathTokens | None, registered: frozenset[str], remembered: PathTokens | None
    ) -> Situation:
        if tokens is None:
            return Situation(None, registered, managed=self._managed, remembered=remembered)
        self._memory.see(tokens, registered)
        accepted = self._asked(tokens) if self._managed and registered else False
        return Situation(
            tokens,
            registered,
            age=max(self._memory.age, self._wall_age(tokens)),
            settled=self._memory.settled,
            accepted=accepted and tokens.next is not None,
            disturbed=accepted and self._memory.failed,
            shown=self._memory.shown,
            managed=self._managed,
            remembered=remembered,
        )

    def _asked(self, tokens: PathTokens) -> bool:
        """Whether the servers accept the next token, or where there is none, the registered one."""
        asked = tokens.next or tokens.registered
        assert asked is not None
        try:
            heard = self._servers.accept(asked.value)
        except (Refuses, ApiError) as bad:
            if str(bad) != self._trouble:
                logger.warning("the secret path: not every server accepts it: %s", bad)
            self._trouble = str(bad)
            self._memory.failed = self._memory.failed or tokens.next is None
            return False
        self._trouble = ""
        self._memory.hear(heard.late)
        return heard.each or self._memory.next_age >= self._pace.settle

    def _wall_age(self, tokens: PathTokens | None) -> float:
        """How old the registered token is by its time, for a controller that starts again and again."""
        registered = tokens.registered if tokens else None
        try:
            since = datetime.strptime(registered.since if registered else "", STAMP).replace(tzinfo=UTC)
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
            if error.status != INVALID:
                raise
            return self._write_anew(tokens, found, error)
        return wanted

    def _write_anew(self, tokens: PathTokens, found: Json, why: ApiError) -> Json | None:
        """The Secret as it was created in the place of one that cannot be changed, as it is immutable or has another type.

        Servers go on with the tokens that they know meanwhile.  Raises ApiError.
        """
        logger.warning("the Secret of the path cannot be changed, so it is deleted and created again: %s", why)
        metadata = found["metadata"]
        self._api.delete(path(self._namespace), uid=metadata["uid"], version=metadata["resourceVersion"])
        wanted = write(tokens, self._namespace)
        return wanted if self._api.create(collection(self._namespace), wanted) is not None else None

    def _work(self) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            look = LOOK * self._pace.period
            try:
                wait = min(look, LOOK_SOON_SECONDS) if self.look() else look
            except Exception as error:  # noqa: BLE001 (the next look must come)
                wait = look
                logger.warning("the secret path is not looked after: %s", error)
                self._on_look(self._memory.age, str(error))


def readable(found: Json | None) -> PathTokens | None:
    """The tokens in a Secret; None where there are none that can be used."""
    if found is None:
        return None
    try:
        return read(found)
    except BadTokens as bad:
        logger.warning("the secret path is stored anew: %s", bad)
        return None
