"""Rotates the secret path: reads the stored and registered tokens, probes the servers, and takes one step at a time."""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from secrets import token_hex
from threading import Event, Thread
from time import monotonic
from typing import Final, Protocol

from msgspec import Struct

from webhook.controller.path_observations import PathObservations
from webhook.controller.path_rotation import RotationSchedule, RotationState, plan_step
from webhook.kube.api import CONFLICT, INVALID, NOT_FOUND, Api, ApiError, Json
from webhook.kube.webhook_configurations import PHASES
from webhook.kube.webhook_configurations import path as configuration_path
from webhook.kube.webhook_path import (
    InvalidTokensError,
    build_secret,
    collection,
    parse_tokens,
    path,
    registered_tokens,
)
from webhook.model.path_tokens import PathToken, PathTokens
from webhook.model.reason import Reason

logger = logging.getLogger(__name__)

TOKEN_BYTES: Final = 32
# The interval between two probes of the servers, as a part of the period: 5 s by default.
PROBE_INTERVAL: Final = 1 / 60
# The interval while a step waits for the servers.
PENDING_PROBE_SECONDS: Final = 0.5
TIMESTAMP_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


class TokenUnavailable(Exception):  # noqa: N818 (a state of the cluster)
    """No path can be registered yet; the message gives the reason."""


class TokenNotAccepted(Exception):  # noqa: N818 (a state of a server)
    """A server does not answer, or does not accept a path; the message names the server, and never the path."""


class ProbeResult(Struct, frozen=True):
    """The answers of servers that accept a path.

    `each` is true if every server was probed. `late` is the number of reviews that each server process answered too
    late or not at all. Its keys are names that the processes chose at their start.
    """

    each: bool
    late: Mapping[str, int] = {}


class TokenProbe(Protocol):
    """The probe that a rotation needs."""

    def accept(self, token: str) -> ProbeResult:
        """Verify that the servers accept reviews at a path. Raises TokenNotAccepted, ApiError."""


class PathRotator:
    """Maintains the Secret of the path; calls `on_registered` when another token may have to be registered.

    `is_leader` returns whether this replica takes the steps. Any replica may store the first token. `managed` is
    false if an administrator registers catflap by hand. `on_write` receives each written Secret and the reason.
    `on_probe` receives, after each pass, the age of the registered token in seconds, and what prevents its rotation
    (empty if nothing does).
    """

    def __init__(
        self,
        api: Api,
        *,
        own_namespace: str,
        servers: TokenProbe,
        is_leader: Callable[[], bool],
        now: Callable[[], datetime],
        managed: bool = True,
        on_write: Callable[[Json, Reason], None] = lambda *_: None,
        on_probe: Callable[[float, str], None] = lambda *_: None,
        schedule: RotationSchedule = RotationSchedule(),  # noqa: B008 (frozen)
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._api = api
        self._namespace = own_namespace
        self._servers = servers
        self._is_leader = is_leader
        self._now = now
        self._managed = managed
        self.on_registered: Callable[[], None] = lambda: None
        self._on_write = on_write
        self._on_probe = on_probe
        self._schedule = schedule
        self._observations = PathObservations(clock)
        self._stopped = Event()
        self._last_error = ""

    @property
    def registered(self) -> str:
        """The token to register, read live, so that a replica that lags does not restore an earlier one.

        A token that is not registered yet is returned only if every server accepts it, and if the registered token is
        stored as well. Others may have replaced the Secret, while API servers and starting servers still use the
        registered path. Raises TokenUnavailable, ApiError.
        """
        found = self._api.get(path(self._namespace))
        if found is None:
            raise TokenUnavailable(
                f"Secret {self._namespace}/{path(self._namespace).rpartition('/')[2]} does not exist yet"
            )
        try:
            tokens = parse_tokens(found)
        except InvalidTokensError as bad:
            raise TokenUnavailable(f"{bad}; the leader writes it again") from None
        if tokens.registered is None:
            raise TokenUnavailable("the secret path does not exist yet")
        self._confirm(tokens, tokens.registered.value)
        return tokens.registered.value

    def start(self) -> None:
        """Start the rotation on its own thread."""
        Thread(target=self._run, name="path-rotation", daemon=True).start()

    def stop(self) -> None:
        """Stop after the current step."""
        self._stopped.set()

    def take_step(self) -> bool:
        """Take one step if one is due; return whether another may be due soon. Raises ApiError."""
        found = self._api.get(path(self._namespace))
        tokens = read_tokens(found)
        remembered, self._observations.tokens = self._observations.tokens, tokens or self._observations.tokens
        if not (self._is_leader() or found is None):
            self._on_probe(self._wall_age(tokens), "")
            return False
        situation = self._situation(tokens, self._registered(), remembered)
        taken = plan_step(situation, self._schedule, self._new_token)
        if taken is None:
            self._on_probe(situation.age, self._last_error)
            return tokens is not None and tokens.next is not None
        written = self._write(taken.tokens, found)
        self._on_probe(situation.age, "")
        if written is not None:
            self._observations.tokens = taken.tokens
            logger.info("%s", taken.why.words)
            self.on_registered()
            self._on_write(written, taken.why)
        return True

    def _registered(self) -> frozenset[str]:
        """Return the tokens in both webhook configurations. Raises ApiError."""
        return registered_tokens(*(self._api.get(configuration_path(phase)) for phase in PHASES))

    def _confirm(self, tokens: PathTokens, token: str) -> None:
        """Verify that a token may replace the registered ones. Raises TokenUnavailable, ApiError."""
        if registered := self._registered() - {token}:
            if registered - set(tokens.accepted):
                raise TokenUnavailable("the registered path is not stored; the leader stores it first")
            try:
                self._servers.accept(token)
            except TokenNotAccepted as bad:
                raise TokenUnavailable(f"the stored path is not registered yet: {bad}") from None

    def _situation(
        self, tokens: PathTokens | None, registered: frozenset[str], remembered: PathTokens | None
    ) -> RotationState:
        if tokens is None:
            return RotationState(None, registered, managed=self._managed, remembered=remembered)
        self._observations.record_tokens(tokens, registered)
        accepted = self._probe_servers(tokens) if self._managed and registered else False
        return RotationState(
            tokens,
            registered,
            age=max(self._observations.age, self._wall_age(tokens)),
            settled=self._observations.settled,
            accepted=accepted and tokens.next is not None,
            disturbed=accepted and self._observations.failed,
            shown=self._observations.shown,
            managed=self._managed,
            remembered=remembered,
        )

    def _probe_servers(self, tokens: PathTokens) -> bool:
        """Return whether the servers accept the next token, or the registered one if there is no next token."""
        asked = tokens.next or tokens.registered
        assert asked is not None
        try:
            heard = self._servers.accept(asked.value)
        except (TokenNotAccepted, ApiError) as bad:
            if str(bad) != self._last_error:
                logger.warning("not every server accepts the secret path yet: %s", bad)
            self._last_error = str(bad)
            self._observations.failed = self._observations.failed or tokens.next is None
            return False
        self._last_error = ""
        self._observations.record_late_reviews(heard.late)
        return heard.each or self._observations.next_age >= self._schedule.settle

    def _wall_age(self, tokens: PathTokens | None) -> float:
        """Return the age of the registered token by its stored time, for a controller that restarts repeatedly."""
        registered = tokens.registered if tokens else None
        try:
            since = datetime.strptime(registered.since if registered else "", TIMESTAMP_FORMAT).replace(tzinfo=UTC)
        except ValueError:
            return 0.0
        return (self._now() - since).total_seconds()

    def _new_token(self) -> PathToken:
        return PathToken(token_hex(TOKEN_BYTES), self._now().astimezone(UTC).strftime(TIMESTAMP_FORMAT))

    def _write(self, tokens: PathTokens, found: Json | None) -> Json | None:
        """Return the Secret as written; None if another replica wrote first."""
        wanted = build_secret(tokens, self._namespace, found)
        if found is None:
            return wanted if self._api.create(collection(self._namespace), wanted) is not None else None
        try:
            self._api.replace(path(self._namespace), wanted)
        except ApiError as error:
            if error.status in {CONFLICT, NOT_FOUND}:
                return None
            if error.status != INVALID:
                raise
            return self._recreate(tokens, found, error)
        return wanted

    def _recreate(self, tokens: PathTokens, found: Json, why: ApiError) -> Json | None:
        """Delete and create the Secret, because it is immutable or has another type; return it as written.

        Servers keep the tokens that they know in the meantime. Raises ApiError.
        """
        logger.warning(
            "the controller cannot change the Secret of the path, so it deletes the Secret and creates it again: %s",
            why,
        )
        metadata = found["metadata"]
        self._api.delete(path(self._namespace), uid=metadata["uid"], version=metadata["resourceVersion"])
        wanted = build_secret(tokens, self._namespace)
        return wanted if self._api.create(collection(self._namespace), wanted) is not None else None

    def _run(self) -> None:
        wait = 0.0
        while not self._stopped.wait(wait):
            look = PROBE_INTERVAL * self._schedule.period
            try:
                wait = min(look, PENDING_PROBE_SECONDS) if self.take_step() else look
            except Exception as error:  # noqa: BLE001 (the next look must come)
                wait = look
                logger.warning("cannot check the secret path: %s", error)
                self._on_probe(self._observations.age, str(error))


def read_tokens(found: Json | None) -> PathTokens | None:
    """Return the tokens in a Secret; None if it has no valid ones."""
    if found is None:
        return None
    try:
        return parse_tokens(found)
    except InvalidTokensError as bad:
        logger.warning("stored the secret path again: %s", bad)
        return None
