"""The tokens that a server accepts: from the controller's Secret, or from a file where there is no cluster."""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread

from webhook.files import Form, UnreadableFileError
from webhook.files import read_file as content_of
from webhook.kube.api import Json
from webhook.kube.webhook_path import InvalidTokensError, parse_tokens
from webhook.model.path_tokens import Accepted, PathTokens, well_formed

logger = logging.getLogger(__name__)

# A token has 128 characters at most, and two are in use while one replaces the other.
TOKEN_FILE = Form("a file of tokens", 1 << 16)
# As for the policy file: a look costs microseconds.
POLL_SECONDS = 0.5


class BadTokenFile(ValueError):  # noqa: N818 (the file is bad)
    """A file holds no tokens that can be used; the message names the line and the remedy, and quotes nothing of it."""


class AcceptedTokens:
    """The tokens in force at this moment; what cannot be read changes nothing, as the API server goes on with what it knows.

    A token that disappears from the Secret is kept as `webhook.model.path_tokens.Accepted` says.
    """

    def __init__(self) -> None:
        self._current: tuple[str, ...] = ()
        self._secret = Accepted()
        self._lock = Lock()  # the watch of the Secret and the look at what is registered are two threads
        self._trouble = ""

    def __call__(self) -> tuple[str, ...]:
        """The tokens; empty until the first were read."""
        return self._current

    @property
    def known(self) -> bool:
        """Whether any token is in force."""
        return bool(self._current)

    def offer_secret(self, found: Json) -> None:
        """Accept what a Secret contains, and keep what others removed; a Secret that is deleted comes with its last content."""
        with self._lock:
            self.take(lambda: self._after(parse_tokens(found)))

    def offer_registered(self, token: str) -> None:
        """Accept a token that is registered, whatever the Secret contains; the plain path needs the Secret's word."""
        if not well_formed(token):
            return
        with self._lock:
            self._secret = self._secret.keeping(token)
            self._current = self._secret.values

    def take(self, tokens: Callable[[], tuple[str, ...]]) -> None:
        """Accept what `tokens` gives and nothing else; where that is bad, log it once and keep those in force."""
        try:
            self._current, self._trouble = tokens(), ""
        except (InvalidTokensError, BadTokenFile) as bad:
            if str(bad) != self._trouble:
                logger.error("the tokens of the review path stay as they were: %s", bad)  # noqa: TRY400 (no bug)
            self._trouble = str(bad)

    def _after(self, stored: PathTokens) -> tuple[str, ...]:
        self._secret = self._secret.after(stored)
        return self._secret.values


class TokenFile:
    """Keeps the accepted tokens at what a file says, one token a line; the first is the one to register."""

    def __init__(self, path: Path, accepted: AcceptedTokens) -> None:
        self._path = path
        self._accepted = accepted
        self._stopped = Event()

    def start(self) -> None:
        """Read the file once, then again and again on a thread of its own."""
        self._accepted.take(lambda: read_file(self._path))
        Thread(target=self._watch, name="path-tokens", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            self._accepted.take(lambda: read_file(self._path))


def read_file(path: Path) -> tuple[str, ...]:
    """The tokens in a file, in order; blank lines count for nothing.  Raises BadTokenFile."""
    try:
        lines = content_of(path, TOKEN_FILE).decode("ascii").splitlines()
    except UnreadableFileError as bad:
        raise BadTokenFile(str(bad)) from None
    except UnicodeDecodeError:
        raise BadTokenFile(f"{path}: expected tokens in ASCII, one a line") from None
    tokens = []
    for number, line in enumerate(lines, start=1):
        if not (token := line.strip()):
            continue
        if not well_formed(token):
            raise BadTokenFile(
                f"{path}:{number}: expected 22 to 128 characters of a-z, 0-9 and -; make one by: openssl rand -hex 32"
            )
        tokens.append(token)
    if not tokens:
        raise BadTokenFile(f"{path}: expected at least one token, one a line")
    return tuple(tokens)
