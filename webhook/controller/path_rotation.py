"""Plans the rotation of the secret path: a token is stored, accepted by every server, registered, and finally dropped.

The API server shows the URL of a webhook to a user whose request fails because of it, so a path stays secret for
minutes only. No request may fail because of a rotation. Therefore a token is registered only after every server
accepts it. It is dropped only after every API server has had time to see the new registration.
"""

from collections.abc import Callable, Collection
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.kube.webhook_path import MOST_TOKENS
from webhook.model.path_tokens import PathToken, PathTokens, digest
from webhook.model.reason import Reason, ReasonCode

# How long a token stays registered. A user who provokes a failure and reads the path in its message can use the token
# for this time and the overlap. A shorter period costs one more write, and one more reload by each API server, per
# rotation.
PERIOD_SECONDS: Final = 300.0
# How long a token is accepted after another one is registered. An API server with a hanging watch notices after 45 s
# (client-go's HTTP/2 ping: 30 s idle, 15 s for the answer), lists again within 10 s, and an earlier call takes 5 s.
# Twice that is 120 s.
OVERLAP: Final = 0.4  # of the period
# Used if servers cannot be probed one by one: twice the time that a watch of theirs may need to reconnect
# (webhook.kube.watch).
SETTLE: Final = 1 / 30  # of the period
# Rotations after consecutive outages. Further ones wait until the overlap ends.
MAX_PREVIOUS: Final = 3
# Tokens that others registered. Beyond this number, the oldest are dropped.
MAX_UNKNOWN: Final = MOST_TOKENS - 2


def because(code: ReasonCode, words: str) -> Reason:
    """Return why the stored tokens change; the words name the Secret's purpose."""
    return Reason(code, f"the secret path: {words}")


UNKNOWN: Final = because(ReasonCode.PATH_ADOPTED, "the registered path was not stored")
ADOPTED: Final = because(ReasonCode.PATH_ADOPTED, "the registered path stays valid")
FIRST: Final = because(ReasonCode.PATH_CREATED, "the first path was created")
STORED_AGAIN: Final = because(ReasonCode.PATH_RESTORED, "the stored path was restored")
PERIOD_OVER: Final = because(ReasonCode.PATH_EXPIRED, "the path has been registered for its period")
ACCEPTED: Final = because(
    ReasonCode.PATH_REGISTERED, "every server accepts the next path, so the controller registers it"
)
USED: Final = because(
    ReasonCode.PATH_RETIRED, "every API server uses the registered path, so earlier paths are no longer valid"
)
# Why users may know the registered path.
PUBLIC: Final = because(ReasonCode.PATH_EXPOSED, "reviews arrive at a path that is not secret")
DISTURBED: Final = because(
    ReasonCode.PATH_EXPOSED, "servers did not answer for a while, so users may have seen the path"
)
SHOWN: Final = because(
    ReasonCode.PATH_EXPOSED, "a server answered a review too late or not at all, so its user may have seen the path"
)


class RotationSchedule(Struct, frozen=True):
    """The times of a rotation, all derived from the period, which tests shorten."""

    period: float = PERIOD_SECONDS

    @property
    def overlap(self) -> float:
        """Return how long a token is accepted after another one was registered."""
        return OVERLAP * self.period

    @property
    def settle(self) -> float:
        """Return how long a token is stored before it is registered, if servers cannot be probed one by one."""
        return SETTLE * self.period


class RotationState(Struct, frozen=True):
    """The state that decides the next step.

    `tokens` are the tokens in the Secret, None if it has no valid ones. `registered` are the tokens in catflap's
    entries of both webhook configurations. `age` is how long the registered token has been registered. `settled` is
    how long it has been the only registered one. `accepted` is true if every server accepts the next token.
    `disturbed` is true if a server did not answer since the token was registered, so that users may have seen it.
    `shown` is true if a server answered a review too late, or not at all, since then. `managed` is false if an
    administrator registers catflap by hand. `remembered` are the tokens that this process saw last, in case others
    delete or replace the Secret.
    """

    tokens: PathTokens | None
    registered: frozenset[str]
    age: float = 0.0
    settled: float = 0.0
    accepted: bool = False
    disturbed: bool = False
    shown: bool = False
    managed: bool = True
    remembered: PathTokens | None = None


class RotationStep(Struct, frozen=True):
    """The tokens to store, and the reason."""

    tokens: PathTokens
    why: Reason


def plan_step(now: RotationState, schedule: RotationSchedule, make: Callable[[], PathToken]) -> RotationStep | None:
    """Return the next step, or None if none is due; `make` returns a new token with its creation time."""
    tokens = now.tokens
    if tokens is None or tokens.registered is None:
        return plan_initial(now, make)
    if unknown := now.registered - set(tokens.accepted):
        return RotationStep(with_unknown_tokens(tokens, unknown, now, make), UNKNOWN)
    return plan_rotation(now, tokens, tokens.registered, schedule, make) if now.managed else None


def plan_rotation(
    now: RotationState,
    tokens: PathTokens,
    registered: PathToken,
    schedule: RotationSchedule,
    make: Callable[[], PathToken],
) -> RotationStep | None:
    """Return the next step towards another token."""
    if tokens.next is not None and now.accepted:
        since = make().since
        previous = (replace(registered, since=since), *tokens.previous)
        promoted = replace(tokens, registered=replace(tokens.next, since=since), next=None, previous=previous)
        return RotationStep(promoted, ACCEPTED)
    if now.registered != {registered.value}:
        return None  # it is not registered yet, or no path is
    if tokens.previous and now.settled >= schedule.overlap:
        return RotationStep(tokens.without_previous, USED)
    if (
        tokens.next is None
        and len(tokens.previous) < MAX_PREVIOUS
        and (why := rotation_reason(now, registered, schedule))
    ):
        return RotationStep(replace(tokens, next=make()), why)
    return None


def rotation_reason(now: RotationState, registered: PathToken, schedule: RotationSchedule) -> Reason | None:
    """Return why a new token is needed; None if it is not."""
    if not registered.value:
        return PUBLIC
    if now.disturbed:
        return DISTURBED
    if now.shown and now.age >= schedule.overlap:
        return SHOWN
    return PERIOD_OVER if now.age >= schedule.period else None


def plan_initial(now: RotationState, make: Callable[[], PathToken]) -> RotationStep:
    """Return the first step: keep accepting the tokens that were stored or are registered, else register a new one."""
    if now.remembered is not None and now.remembered.registered is not None:
        unknown = now.registered - set(now.remembered.accepted)
        tokens = with_unknown_tokens(now.remembered, unknown, now, make) if unknown else now.remembered
        return RotationStep(tokens, STORED_AGAIN)
    if not now.registered:
        return RotationStep(PathTokens(registered=make()), FIRST)
    first, *others = sorted(now.registered)
    since = make().since
    kept = PathTokens(registered=PathToken(first, since), previous=tuple(PathToken(one, since) for one in others))
    return RotationStep(kept, ADOPTED)


def with_unknown_tokens(
    tokens: PathTokens, unknown: Collection[str], now: RotationState, make: Callable[[], PathToken]
) -> PathTokens:
    """Return the tokens with those that are registered and not stored, because others replaced the Secret or a configuration.

    The API servers use the registered token, so it stays registered: servers may not know the stored one. All others
    are accepted until their regular end. If the controller manages the registration, the next token follows at once.
    """
    since = make().since
    found = tuple(PathToken(one, since) for one in sorted(unknown))
    lost = () if now.remembered is None else lost_tokens(now.remembered, tokens, unknown)
    if tokens.registered is not None and tokens.registered.value in now.registered:
        return replace(tokens, previous=(*found, *tokens.previous, *lost)[:MAX_UNKNOWN])
    before = tuple(one for one in (tokens.registered, *tokens.previous, *lost) if one is not None)
    upcoming = (tokens.next or make()) if now.managed else None
    return replace(tokens, registered=found[0], next=upcoming, previous=(*found[1:], *before)[:MAX_UNKNOWN])


def lost_tokens(remembered: PathTokens, tokens: PathTokens, unknown: Collection[str]) -> tuple[PathToken, ...]:
    """Return the tokens that were stored, are missing and were not ended: servers still accept them until their end is stored."""
    known = {*tokens.accepted, *unknown}
    each = (remembered.registered, remembered.next, *remembered.previous)
    return tuple(one for one in each if one and one.value not in known and digest(one.value) not in tokens.ended)
