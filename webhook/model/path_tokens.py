"""Secret tokens in the webhook path: the registered token and the accepted ones."""

import re
from hashlib import sha256
from typing import Final

from msgspec import Struct

# A path in a Service's clientConfig is made of lower-case RFC 1123 names (kubernetes, validateWebhookService); 22 characters of hexadecimal
# digits, 88 bits, are the fewest that cannot be guessed.
SHAPE: Final = re.compile(r"[a-z0-9][a-z0-9-]{20,126}[a-z0-9]")
IN_A_PATH: Final = re.compile(r"(/(?:validate|mutate)/)[^/?\s\"']+")
# The regular end of tokens is named for the last 16: more than four rotations, 20 minutes by default, that a server's watch may miss.
MOST_ENDED: Final = 16
# The number of disappeared tokens that a server still accepts: as many as a Secret has at most (webhook.kube.webhook_path.MOST_TOKENS).
MOST_KEPT: Final = 16
# Registered by releases, and by admins, that know no token: `/validate` itself.
PLAIN: Final = ""


class PathToken(Struct, frozen=True):
    """One token, and the time since which it has its role (RFC 3339, for people). Logs never contain its value."""

    value: str
    since: str = ""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Token(since={self.since!r})"


class PathTokens(Struct, frozen=True):
    """The tokens in force.

    `registered` is the one in the webhook configurations, `next` the one that will be registered once every server accepts it,
    `previous` are those that an API server may still use that has not seen the last change. `ended` are the digests of the tokens
    that the controller ended last, the newest at the end: a token that is missing without its digest was removed by others.
    """

    registered: PathToken | None = None
    next: PathToken | None = None
    previous: tuple[PathToken, ...] = ()
    ended: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """Return the tokens that servers accept."""
        return tuple(one.value for one in (self.registered, self.next, *self.previous) if one is not None)

    @property
    def without_previous(self) -> "PathTokens":
        """Return these tokens after the regular end of the previous ones, which are recorded as ended."""
        new = tuple(dict.fromkeys(digest(one.value) for one in self.previous))
        digests = (*(one for one in self.ended if one not in new), *new)
        return PathTokens(registered=self.registered, next=self.next, ended=digests[-MOST_ENDED:])


class Accepted(Struct, frozen=True):
    """The tokens that one server accepts: those `stored` in the Secret, and those that it `kept` although they disappeared."""

    stored: PathTokens = PathTokens()
    kept: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"Accepted(stored={self.stored!r}, kept={len(self.kept)})"

    @property
    def values(self) -> tuple[str, ...]:
        """Return all accepted tokens."""
        return (*self.stored.accepted, *self.kept)

    def after(self, stored: PathTokens) -> "Accepted":
        """Return the tokens to accept once the Secret contains others.

        A token that is no longer stored is kept, because an API server may still use it: a backup or a person may have replaced the
        Secret. It ends once the controller names it as ended, or ends any other token after the state that this server saw last:
        the controller ends tokens only while the registered one alone has been in use for longer than an API server needs to see that.
        """
        if self.stored.ended and self.stored.ended[-1] in stored.ended[:-1]:
            return Accepted(stored)
        missing = dict.fromkeys(one for one in self.values if one not in stored.accepted)
        kept = tuple(one for one in missing if digest(one) not in stored.ended)
        return Accepted(stored, kept[:MOST_KEPT])

    def keeping(self, value: str) -> "Accepted":
        """Return these tokens, and one that is registered although it may not be stored."""
        return self if value in self.values else Accepted(self.stored, (value, *self.kept)[:MOST_KEPT])


def digest(value: str) -> str:
    """Return a digest that identifies a token without revealing it; SHA-256 of 256 random bits cannot be reversed."""
    return sha256(value.encode()).hexdigest()


def well_formed(value: str) -> bool:
    """Return whether a text is a valid token: too long to guess, and without special characters in a URL."""
    return SHAPE.fullmatch(value) is not None


def without_tokens(text: str) -> str:
    """Return a text without the tokens of webhook paths: the API server quotes paths in its errors."""
    return IN_A_PATH.sub(r"\1…", text)
