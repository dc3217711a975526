"""Which reviews come from the API server: those with its client certificate, or to the secret path that is registered.

Both are checked before the body is read. A review that passes neither costs one comparison and an answer of some hundred bytes.
"""

from collections.abc import Callable, Iterable
from hmac import compare_digest
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.server.intake import bad_review

PHASES: Final = {str(phase): phase for phase in Phase}

UNAUTHENTICATED: Final = bad_review(
    HTTPStatus.UNAUTHORIZED,
    "the sender is not authenticated; the API server sends reviews with the client certificate, or to the secret path, "
    "that catflap's security page describes",
)


class ReviewPath(NamedTuple):
    """A path under which reviews are served: `/validate`, `/mutate`, or one of them with a token behind it."""

    phase: Phase
    token: str


class Sender(NamedTuple):
    """What the transport knows of the sender of a review.

    `token` is what follows the phase in the path. `certificate_names` gives the common name and the DNS names of a client
    certificate that TLS has verified; None where the sender showed none.
    """

    token: str
    certificate_names: Callable[[], tuple[str, ...] | None]


class Check(Protocol):
    """One way to tell the API server from other senders."""

    def knows_path(self, token: str) -> bool:
        """Whether the API server may be registered with this token; no secret is needed where the path is none."""

    def authenticate(self, sender: Sender) -> Authentication | None:
        """How the sender proved to be the API server; None where it did not."""


class NoCheck:
    """Takes every review: for a server on loopback, or one without a cluster."""

    def knows_path(self, token: str) -> bool:  # noqa: ARG002 (a Check)
        """Every path."""
        return True

    def authenticate(self, sender: Sender) -> Authentication | None:  # noqa: ARG002 (a Check)
        """No proof is asked for."""
        return Authentication.NONE


class ClientCertificates:
    """Takes reviews from those who hold a client certificate of the configured CA.

    `names` restricts this to certificates with one of these common names or DNS names; empty takes each certificate of the
    CA. TLS verifies the certificate itself, and ends the handshake where it is of another CA.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)

    def knows_path(self, token: str) -> bool:  # noqa: ARG002 (a Check)
        """Every path: the certificate is the proof."""
        return True

    def authenticate(self, sender: Sender) -> Authentication | None:
        """By the certificate alone."""
        shown = sender.certificate_names()
        if shown is None or (self._names and self._names.isdisjoint(shown)):
            return None
        return Authentication.CLIENT_CERTIFICATE


class SecretPath:
    """Takes reviews that come to a path with one of the tokens in force; `tokens` gives those of this moment."""

    def __init__(self, tokens: Callable[[], tuple[str, ...]]) -> None:
        self._tokens = tokens

    def knows_path(self, token: str) -> bool:
        """Whether a token is in force; takes the same time whichever token matches, and however much of one does."""
        sent = token.encode(errors="replace")
        found = False
        for one in self._tokens():
            found |= compare_digest(sent, one.encode())
        return found

    def authenticate(self, sender: Sender) -> Authentication | None:
        """By the token alone."""
        return Authentication.PATH if self.knows_path(sender.token) else None


def review_path(path: str) -> ReviewPath | None:
    """The phase and the token that a request path names; None for any other path."""
    head, slash, token = path.removeprefix("/").partition("/")
    phase = PHASES.get(head)
    if phase is None or not path.startswith("/") or (slash and (not token or "/" in token)):
        return None
    return ReviewPath(phase, token)
