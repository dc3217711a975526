"""Locate and watch the policy file that the command line names."""

import logging
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from webhook.config.enclosure import POLICY_FILE, NotTextError, enclosed, text_of
from webhook.config.faults import BadPolicy
from webhook.config.store import PolicyStore
from webhook.files import UnreadableFileError, read_file
from webhook.model.fields import DNS_LABEL, SUBDOMAIN

logger = logging.getLogger(__name__)

# A mounted ConfigMap changes through a symbolic link, and inotify on the file does not see that. A check twice a second
# costs microseconds, and a changed file is in force within the promised second.
POLL_SECONDS = 0.5


class ConfigMapRef(NamedTuple):
    """A ConfigMap by namespace and name."""

    namespace: str
    name: str


def parse_location(text: str) -> Path | ConfigMapRef:
    """Return the location for `configmap:NAMESPACE/NAME` or a path.

    Raises ValueError for a reference without both names.
    """
    prefix, colon, reference = text.partition(":")
    if prefix != "configmap" or not colon:
        return Path(text)
    namespace, slash, name = reference.partition("/")
    if not (slash and DNS_LABEL.fullmatch(namespace) and SUBDOMAIN.fullmatch(name)):
        raise ValueError(f"{text!r}: write configmap:NAMESPACE/NAME")
    return ConfigMapRef(namespace, name)


class PolicyFile:
    """Offer the policy file's text to the store at start and after each change, also from a ConfigMap's manifest."""

    def __init__(self, path: Path, store: PolicyStore) -> None:
        self._path = path
        self._store = store
        self._stopped = Event()
        self._seen: tuple[int, int, int] | None = None

    def start(self) -> None:
        """Read the file once, then watch it in a separate thread."""
        self.look()
        Thread(target=self._watch, name="policy-file", daemon=True).start()

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()

    def look(self) -> None:
        """Offer the text if the file changed; log a file that cannot be read and keep the policy."""
        try:
            state = self._path.stat()
            version = (state.st_mtime_ns, state.st_size, state.st_ino)
            if version == self._seen:
                return
            text = text_of(read_file(self._path, POLICY_FILE))
            found = enclosed(text)
        except (OSError, UnreadableFileError, NotTextError, BadPolicy) as bad:
            if self._seen != (0, 0, 0):
                logger.error("policy file %s cannot be read, the last good policy stays: %s", self._path, bad)  # noqa: TRY400 (no bug)
            self._seen = (0, 0, 0)
            return
        self._seen = version
        self._store.offer(found.text if found else text)

    def _watch(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            try:
                self.look()
            except Exception:  # after any error the next version must still be read
                logger.exception("policy file %s", self._path)
