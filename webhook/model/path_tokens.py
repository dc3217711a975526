"""The tokens in the path that the API server sends reviews to: which are accepted, and which one is registered."""

import re
from typing import Final

from msgspec import Struct

# A path in a Service's clientConfig is made of lower-case RFC 1123 names (kubernetes, validateWebhookService); 22 characters of hexadecimal
# digits, 88 bits, are the least that is no guess.
SHAPE: Final = re.compile(r"[a-z0-9][a-z0-9-]{20,126}[a-z0-9]")
IN_A_PATH: Final = re.compile(r"(/(?:validate|mutate)/)[^/?\s\"']+")
# Registered by releases, and by admins, that know no token: `/validate` itself.
PLAIN: Final = ""


class Token(Struct, frozen=True):
    """One token, and since when it is in its place (RFC 3339, for people); its text shows in no log."""

    value: str
    since: str = ""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Token(since={self.since!r})"


class PathTokens(Struct, frozen=True):
    """The tokens in force.

    `registered` is the one in the webhook configurations, `next` the one that will be registered once every server accepts it,
    `previous` are those that an API server may still use that has not seen the last change.
    """

    registered: Token | None = None
    next: Token | None = None
    previous: tuple[Token, ...] = ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """What servers accept."""
        return tuple(one.value for one in (self.registered, self.next, *self.previous) if one is not None)


def well_formed(value: str) -> bool:
    """Whether a text may be a token: long enough to be no guess, and plain in a URL."""
    return SHAPE.fullmatch(value) is not None


def without_tokens(text: str) -> str:
    """A text with the token of each path of reviews left out: the API server quotes paths in its errors."""
    return IN_A_PATH.sub(r"\1…", text)
