"""The secret path's life, one step at a time: stored, accepted by every server, registered, and at last accepted no longer.

The API server shows the URL of a webhook to the user whose request fails because of it, so a path is a secret for minutes. No
request may fail because it changes: a token is registered only after every server accepts it, and is dropped only after
every API server has had the time to see that another one is registered.
"""

from collections.abc import Callable, Collection
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.kube.api import Json
from webhook.kube.webhook_path import MOST_TOKENS
from webhook.model.names import ENTRY_SUFFIX
from webhook.model.path_tokens import PathTokens, Token

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
    since the token was registered, so that users may have seen it. `managed` is false where somebody registers catflap by hand.
    `remembered` are the tokens that this process saw last, for a Secret that somebody deletes.
    """

    tokens: PathTokens | None
    registered: frozenset[str]
    age: float = 0.0
    settled: float = 0.0
    accepted: bool = False
    disturbed: bool = False
    managed: bool = True
    remembered: PathTokens | None = None


class Step(Struct, frozen=True):
    """What to store, and why, in words."""

    tokens: PathTokens
    reason: str


def step(now: Situation, pace: Pace, make: Callable[[], Token]) -> Step | None:
    """The next step, or None where nothing is to be done yet; `make` gives a new token, with the time of its making."""
    tokens = now.tokens
    if tokens is None or tokens.registered is None:
        return adopted(now, make)
    if unknown := now.registered - set(tokens.accepted):
        return Step(with_unknown(tokens, unknown, now, make), "a path is registered that was not stored")
    return rotated(now, tokens, tokens.registered, pace, make) if now.managed else None


def rotated(
    now: Situation, tokens: PathTokens, registered: Token, pace: Pace, make: Callable[[], Token]
) -> Step | None:
    """The next step towards another token."""
    if tokens.next is not None and now.accepted:
        since = make().since
        previous = (replace(registered, since=since), *tokens.previous)
        promoted = PathTokens(registered=replace(tokens.next, since=since), previous=previous)
        return Step(promoted, "every server accepts the next path, so it is registered")
    if now.registered != {registered.value}:
        return None  # it is not registered yet, or nothing is
    if tokens.previous and now.settled >= pace.overlap:
        return Step(replace(tokens, previous=()), "every API server uses the registered path, so earlier ones end")
    if tokens.next is None and len(tokens.previous) < MOST_PREVIOUS and (why := due(now, registered, pace)):
        return Step(replace(tokens, next=make()), why)
    return None


def due(now: Situation, registered: Token, pace: Pace) -> str:
    """Why a new token is needed; empty where none is."""
    if not registered.value:
        return "reviews come to a path that everybody knows"
    if now.disturbed:
        return "servers did not answer for a while, so users may have seen the path"
    return "the path has been registered for its period" if now.age >= pace.period else ""


def adopted(now: Situation, make: Callable[[], Token]) -> Step:
    """The first tokens: what was stored or is registered goes on being accepted, else a new one is to be registered."""
    if now.remembered is not None and now.remembered.registered is not None:
        unknown = now.registered - set(now.remembered.accepted)
        tokens = with_unknown(now.remembered, unknown, now, make) if unknown else now.remembered
        return Step(tokens, "what was stored is stored again")
    if not now.registered:
        return Step(PathTokens(registered=make()), "the first path")
    first, *others = sorted(now.registered)
    since = make().since
    kept = PathTokens(registered=Token(first, since), previous=tuple(Token(one, since) for one in others))
    return Step(kept, "the path that is registered goes on")


def with_unknown(tokens: PathTokens, unknown: Collection[str], now: Situation, make: Callable[[], Token]) -> PathTokens:
    """The tokens with those that somebody else registered, which must be accepted as long as they are registered."""
    since = make().since
    found = tuple(Token(one, since) for one in sorted(unknown))
    if now.managed or tokens.registered is None:
        return replace(tokens, previous=(*found, *tokens.previous)[:MOST_UNKNOWN])
    return PathTokens(registered=found[0], previous=(*found[1:], tokens.registered)[:MOST_UNKNOWN])


def registered_tokens(*configurations: Json | None) -> frozenset[str]:
    """The tokens in the paths of our entries; the plain path has the empty one."""
    entries = [entry for one in configurations if one for entry in one.get("webhooks") or ()]
    return frozenset(token_of(entry) for entry in entries if entry["name"].endswith(ENTRY_SUFFIX))


def token_of(entry: Json) -> str:
    """The token in the path of an entry."""
    where = entry.get("clientConfig") or {}
    path = where.get("url") or (where.get("service") or {}).get("path") or ""
    head, _, last = path.rpartition("/")
    return last if head.endswith(("/validate", "/mutate")) else ""
