"""Selects how a server authenticates the API server, from the command line."""

import logging
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from webhook.kube.api import Api
from webhook.kube.webhook_path import watch
from webhook.model.names import PATH_SECRET
from webhook.server.accepted_tokens import AcceptedTokens, TokenFileWatcher
from webhook.server.authentication import (
    AllowAllAuthenticator,
    Authenticator,
    ClientCertificateAuthenticator,
    SecretPathAuthenticator,
)

logger = logging.getLogger(__name__)


class SenderAuthentication(Struct, frozen=True):
    """The proof that a sender is the API server.

    With `client_ca` it is a client certificate of that CA, for one of `client_names` if any are given. Otherwise it
    is a token in the path: one of `token_file`, or, if `secret` is true, of the Secret that the controller maintains.
    Without any of these, no proof is required.
    """

    client_ca: Path | None = None
    client_names: tuple[str, ...] = ()
    token_file: Path | None = None
    secret: bool = False

    @property
    def by_secret(self) -> bool:
        """Return whether the proof is a token of the controller's Secret."""
        return self.secret and self.client_ca is None and self.token_file is None


def start_sender_check(
    trust: SenderAuthentication,
    tokens: AcceptedTokens,
    api: Api | None,
    own_namespace: str,
    checks: dict[str, Callable[[], bool]],
) -> Authenticator:
    """Return the check of senders; if it needs tokens, it fills `tokens`, and readiness waits for the first one."""
    if trust.client_ca is not None:
        return ClientCertificateAuthenticator(trust.client_names)
    if trust.token_file is None and not trust.secret:
        logger.warning(
            "the server accepts reviews from every client that reaches the port; to accept only the API server, "
            "use --client-ca or --secret-path"
        )
        return AllowAllAuthenticator()
    checks["secret-path"] = lambda: tokens.has_tokens
    if trust.token_file is not None:
        TokenFileWatcher(trust.token_file, tokens).start()
        return SecretPathAuthenticator(tokens)
    assert api is not None  # the command line ensures it
    logger.info(
        "the server accepts reviews at the paths in Secret %s/%s, which the controller writes",
        own_namespace,
        PATH_SECRET,
    )
    secrets = watch(api, own_namespace)
    secrets.on_change(tokens.offer_secret)
    secrets.start()
    return SecretPathAuthenticator(tokens)
