"""The secret path's life, one step at a time: stored, accepted by every server, registered, and at last accepted no longer.

The API server shows the URL of a webhook to the user whose request fails because of it, so a path is a secret for minutes. No
request may fail because it changes: a token is registered only after every server accepts it, and is dropped only after
every API server has had the time to see that another one is registered.
"""

from collections.abc import Callable, Collection
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.kube.webhook_path import MOST_TOKENS
from webhook.model.path_tokens import PathTokens, Token, digest
from webhook.model.reason import Reason, ReasonCode

# How long a token stays registered. A user who provokes a failure, and reads the path in its message, has a token for this time
# and the overlap; a shorter period costs the API server a write, and each API server a reload, more often.
PERIOD_SECONDS: Final = 300.0
# How long a token is accepted after another one is registered. An API server whose watch hangs notices after 45 s (client-go's HTTP/2
# ping: 30 s idle, 15 s for the answer), lists again within 10 s, and a call that it began before takes 5 s; twice that is 120 s.
OVERLAP: Final = 0.4  # of the period
# Where the servers cannot be asked one by one: as long as a watch of theirs may need to come back (webhook.kube.watch), twice.
SETTLE: Final = 1 / 30  # of the period
# Rotations after outages that follow each other; more wait for the overlap to end.
MOST_PREVIOUS: Final = 3
# What somebody else registered again and again; beyond that, the oldest end.
MOST_UNKNOWN: Final = MOST_TOKENS - 2


def because(code: ReasonCode, words: str) -> Reason:
    """Why the stored tokens change; a record of a Secret says of which one."""
    return Reason(code, f"the secret path: {words}")


UNKNOWN: Final = because(ReasonCode.PATH_ADOPTED, "a path is registered that was not stored")
GOES_ON: Final = because(ReasonCode.PATH_ADOPTED, "the path that is registered goes on")
FIRST: Final = because(ReasonCode.PATH_CREATED, "the first path")
STORED_AGAIN: Final = because(ReasonCode.PATH_RESTORED, "what was stored is stored again")
PERIOD_OVER: Final = because(ReasonCode.PATH_EXPIRED, "the path has been registered for its period")
ACCEPTED: Final = because(ReasonCode.PATH_REGISTERED, "every server accepts the next path, so it is registered")
USED: Final = because(ReasonCode.PATH_RETIRED, "every API server uses the registered path, so earlier ones end")
# Why users may know the path that is registered.
PUBLIC: Final = because(ReasonCode.PATH_EXPOSED, "reviews come to a path that everybody knows")
DISTURBED: Final = because(
    ReasonCode.PATH_EXPOSED, "servers did not answer for a while, so users may have seen the path"
)
SHOWN: Final = because(
    ReasonCode.PATH_EXPOSED, "a server answered a review too late or not at all, so its user may have seen the path"
)


class Pace(Struct, frozen=True):
    """How fast paths are rotated; all follows from the period, which tests shorten."""

    period: float = PERIOD_SECONDS

    @property
    def overlap(self) -> float:
        """How long a token is accepted after another one was registered."""
        return OVERLAP * self.period

    @property
    def settle(self) -> float:
        """How long a token was stored before it is registered, where not every server can be asked."""
        return SETTLE * self.period


class Situation(Struct, frozen=True):
    """All that decides the next step.

    `tokens` are those in the Secret, None where there is none that can be read; `registered` are the tokens in our entries
    of both webhook configurations. `age` is how long the registered token is in its place, `settled` how long it has been the only one
    that is registered. `accepted` says whether every server accepts the next token; `disturbed` that a server did not answer
    since the token was registered, so that users may have seen it; `shown` that a server answered a review too late, or not at all,
    since then. `managed` is false where an administrator registers catflap by hand. `remembered` are the tokens that this process
    saw last, for a Secret that others delete or replace.
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


class Step(Struct, frozen=True):
    """What to store, and why."""

    tokens: PathTokens
    why: Reason


def step(now: Situation, pace: Pace, make: Callable[[], Token]) -> Step | None:
    """The next step, or None where nothing is to be done yet; `make` gives a new token, with the time of its making."""
    tokens = now.tokens
    if tokens is None or tokens.registered is None:
        return adopted(now, make)
    if unknown := now.registered - set(tokens.accepted):
        return Step(with_unknown(tokens, unknown, now, make), UNKNOWN)
    return rotated(now, tokens, tokens.registered, pace, make) if now.managed else None


def rotated(
    now: Situation, tokens: PathTokens, registered: Token, pace: Pace, make: Callable[[], Token]
) -> Step | None:
    """The next step towards another token."""
    if tokens.next is not None and now.accepted:
        since = make().since
        previous = (replace(registered, since=since), *tokens.previous)
        promoted = replace(tokens, registered=replace(tokens.next, since=since), next=None, previous=previous)
        return Step(promoted, ACCEPTED)
    if now.registered != {registered.value}:
        return None  # it is not registered yet, or nothing is
    if tokens.previous and now.settled >= pace.overlap:
        return Step(tokens.without_previous, USED)
    if tokens.next is None and len(tokens.previous) < MOST_PREVIOUS and (why := due(now, registered, pace)):
        return Step(replace(tokens, next=make()), why)
    return None


def due(now: Situation, registered: Token, pace: Pace) -> Reason | None:
    """Why a new token is needed; None where none is."""
    if not registered.value:
        return PUBLIC
    if now.disturbed:
        return DISTURBED
    if now.shown and now.age >= pace.overlap:
        return SHOWN
    return PERIOD_OVER if now.age >= pace.period else None


def adopted(now: Situation, make: Callable[[], Token]) -> Step:
    """The first tokens: what was stored or is registered goes on being accepted, else a new one is to be registered."""
    if now.remembered is not None and now.remembered.registered is not None:
        unknown = now.registered - set(now.remembered.accepted)
        tokens = with_unknown(now.remembered, unknown, now, make) if unknown else now.remembered
        return Step(tokens, STORED_AGAIN)
    if not now.registered:
        return Step(PathTokens(registered=make()), FIRST)
    first, *others = sorted(now.registered)
    since = make().since
    kept = PathTokens(registered=Token(first, since), previous=tuple(Token(one, since) for one in others))
    return Step(kept, GOES_ON)


def with_unknown(tokens: PathTokens, unknown: Collection[str], now: Situation, make: Callable[[], Token]) -> PathTokens:
    """The tokens with those that are registered and were not stored, as others replaced the Secret or a webhook configuration.

    The API servers use the registered one, so it goes on being registered: no server may know what is stored instead. Everything
    else is accepted until its regular end, and where the controller registers, the next token comes at once.
    """
    since = make().since
    found = tuple(Token(one, since) for one in sorted(unknown))
    lost = () if now.remembered is None else forgotten(now.remembered, tokens, unknown)
    if tokens.registered is not None and tokens.registered.value in now.registered:
        return replace(tokens, previous=(*found, *tokens.previous, *lost)[:MOST_UNKNOWN])
    before = tuple(one for one in (tokens.registered, *tokens.previous, *lost) if one is not None)
    upcoming = (tokens.next or make()) if now.managed else None
    return replace(tokens, registered=found[0], next=upcoming, previous=(*found[1:], *before)[:MOST_UNKNOWN])


def forgotten(remembered: PathTokens, tokens: PathTokens, unknown: Collection[str]) -> tuple[Token, ...]:
    """The tokens that were stored, are not, and were not ended: servers keep them, and their end has to be named."""
    known = {*tokens.accepted, *unknown}
    each = (remembered.registered, remembered.next, *remembered.previous)
    return tuple(one for one in each if one and one.value not in known and digest(one.value) not in tokens.ended)
