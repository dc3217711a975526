"""Authentication of the API server: by its client certificate, or by the secret path that the registration contains.

Both are checked before the body is read. An unauthenticated review costs one comparison and an answer of a few hundred bytes.
"""

from collections.abc import Callable, Iterable
from hmac import compare_digest
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.server.http_reply import error_reply

PHASES: Final = {str(phase): phase for phase in Phase}

UNAUTHENTICATED: Final = error_reply(
    HTTPStatus.UNAUTHORIZED,
    "the sender is not authenticated; catflap accepts reviews only with the client certificate or at the secret "
    "path of the API server (docs/security.md)",
)


class ReviewPath(NamedTuple):
    """A path under which reviews are served: `/validate`, `/mutate`, or one of them followed by a token."""

    phase: Phase
    token: str


class Sender(NamedTuple):
    """The credentials of the sender of a review.

    `token` follows the phase in the path. `certificate_names` returns the common name and the DNS names of the client certificate
    that TLS has verified; None where the sender has no certificate.
    """

    token: str
    certificate_names: Callable[[], tuple[str, ...] | None]


class Authenticator(Protocol):
    """Decides whether the sender of a review is the API server."""

    def knows_path(self, token: str) -> bool:
        """Return whether the API server may use this token; True for every token where paths are not secret."""

    def authenticate(self, sender: Sender) -> Authentication | None:
        """Return how the sender proved to be the API server; None where it did not."""


class AllowAllAuthenticator:
    """Accepts every review: for a server on loopback, or one without a cluster."""

    def knows_path(self, token: str) -> bool:  # noqa: ARG002 (a Check)
        """Return True."""
        return True

    def authenticate(self, sender: Sender) -> Authentication | None:  # noqa: ARG002 (a Check)
        """Return that there was no proof."""
        return Authentication.NONE


class ClientCertificateAuthenticator:
    """Accepts reviews from senders with a client certificate of the configured CA.

    `names` restricts this to certificates with one of these common names or DNS names; every certificate of the CA is accepted
    where `names` is empty. TLS verifies the certificate, and aborts the handshake for a certificate of another CA.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)

    def knows_path(self, token: str) -> bool:  # noqa: ARG002 (a Check)
        """Return True, as the certificate is the proof."""
        return True

    def authenticate(self, sender: Sender) -> Authentication | None:
        """Return CLIENT_CERTIFICATE where the certificate has an accepted name, else None."""
        shown = sender.certificate_names()
        if shown is None or (self._names and self._names.isdisjoint(shown)):
            return None
        return Authentication.CLIENT_CERTIFICATE


class SecretPathAuthenticator:
    """Accepts reviews whose path contains an accepted token; `tokens` returns the accepted tokens."""

    def __init__(self, tokens: Callable[[], tuple[str, ...]]) -> None:
        self._tokens = tokens

    def knows_path(self, token: str) -> bool:
        """Return whether a token is accepted, in a time that does not depend on which token matches, or on how much of it."""
        sent = token.encode(errors="replace")
        found = False
        for one in self._tokens():
            found |= compare_digest(sent, one.encode())
        return found

    def authenticate(self, sender: Sender) -> Authentication | None:
        """Return PATH where the token of the path is accepted, else None."""
        return Authentication.PATH if self.knows_path(sender.token) else None


def review_path(path: str) -> ReviewPath | None:
    """Return the phase and the token of a request path; None for any other path."""
    head, slash, token = path.removeprefix("/").partition("/")
    phase = PHASES.get(head)
    if phase is None or not path.startswith("/") or (slash and (not token or "/" in token)):
        return None
    return ReviewPath(phase, token)
