"""The path tokens that a server accepts: from the controller's Secret, or from a file where there is no cluster."""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread

from webhook.files import Form, UnreadableFileError, read_file
from webhook.kube.api import Json
from webhook.kube.webhook_path import InvalidTokensError, parse_tokens
from webhook.model.path_tokens import Accepted, PathTokens, well_formed

logger = logging.getLogger(__name__)

# A token has at most 128 characters, and two are in use while one replaces the other.
TOKEN_FILE = Form("a file of tokens", 1 << 16)
# The same interval as for the policy file. A read costs microseconds.
POLL_SECONDS = 0.5


class BadTokenFile(ValueError):  # noqa: N818 (the file is bad)
    """A file contains no valid tokens; the message names the line and the remedy, and quotes no content."""


class AcceptedTokens:
    """The tokens that the server accepts now.

    Invalid input changes nothing, as the API server continues to use the registered token. `webhook.model.path_tokens.Accepted`
    defines how long a token that disappears from the Secret stays accepted.
    """

    def __init__(self) -> None:
        self._current: tuple[str, ...] = ()
        self._secret = Accepted()
        self._lock = Lock()  # one thread watches the Secret, another one reads the registration
        self._trouble = ""

    def __call__(self) -> tuple[str, ...]:
        """Return the tokens; empty until the first ones are read."""
        return self._current

    @property
    def has_tokens(self) -> bool:
        """Return whether any token is accepted."""
        return bool(self._current)

    def offer_secret(self, found: Json) -> None:
        """Accept the tokens of a Secret, and keep removed ones for some time; a deleted Secret is passed with its last content."""
        with self._lock:
            self.update(lambda: self._after(parse_tokens(found)))

    def offer_registered(self, token: str) -> None:
        """Accept a registered token whatever the Secret contains; only the Secret can make the path without a token accepted."""
        if not well_formed(token):
            return
        with self._lock:
            self._secret = self._secret.keeping(token)
            self._current = self._secret.values

    def update(self, tokens: Callable[[], tuple[str, ...]]) -> None:
        """Replace the accepted tokens by the result of `tokens`; log an error once and keep the accepted tokens where that is invalid."""
        try:
            self._current, self._trouble = tokens(), ""
        except (InvalidTokensError, BadTokenFile) as bad:
            if str(bad) != self._trouble:
                logger.error("the tokens of the review path do not change: %s", bad)  # noqa: TRY400 (no bug)
            self._trouble = str(bad)

    def _after(self, stored: PathTokens) -> tuple[str, ...]:
        self._secret = self._secret.after(stored)
        return self._secret.values


class TokenFileWatcher:
    """Keeps the accepted tokens equal to a file with one token per line; the first token is the one to register."""

    def __init__(self, path: Path, accepted: AcceptedTokens) -> None:
        self._path = path
        self._accepted = accepted
        self._stopped = Event()

    def start(self) -> None:
        """Read the file, then poll it on a background thread."""
        self._accepted.update(lambda: read_token_file(self._path))
        Thread(target=self._watch, name="path-tokens", daemon=True).start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            self._accepted.update(lambda: read_token_file(self._path))


def read_token_file(path: Path) -> tuple[str, ...]:
    """Return the tokens of a file in order, without blank lines; raises BadTokenFile."""
    try:
        lines = read_file(path, TOKEN_FILE).decode("ascii").splitlines()
    except UnreadableFileError as bad:
        raise BadTokenFile(str(bad)) from None
    except UnicodeDecodeError:
        raise BadTokenFile(f"{path}: expected tokens in ASCII, one per line") from None
    tokens = []
    for number, line in enumerate(lines, start=1):
        if not (token := line.strip()):
            continue
        if not well_formed(token):
            raise BadTokenFile(
                f"{path}:{number}: expected 22 to 128 characters of a-z, 0-9 and -; create one with: openssl rand "
                "-hex 32"
            )
        tokens.append(token)
    if not tokens:
        raise BadTokenFile(f"{path}: expected at least one token, one per line")
    return tuple(tokens)
