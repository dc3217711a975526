"""Where the policy file is, as the command line names it."""

import logging
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

from webhook.config.enclosure import POLICY_FILE, NotTextError, enclosed, text_of
from webhook.config.faults import BadPolicy
from webhook.config.store import PolicyStore
from webhook.files import UnreadableFileError, read_file

logger = logging.getLogger(__name__)

# A ConfigMap mounted as a volume changes by a symbolic link, which inotify on the file does not see; a look a second
# costs microseconds and keeps a reload within the second that we promise.
POLL_SECONDS = 0.5


class ConfigMapRef(NamedTuple):
    """A ConfigMap by namespace and name."""

    namespace: str
    name: str


def parse_location(text: str) -> Path | ConfigMapRef:
    """`configmap:NAMESPACE/NAME` or a path; raises ValueError for a reference without both parts."""
    prefix, colon, reference = text.partition(":")
    if prefix != "configmap" or not colon:
        return Path(text)
    namespace, slash, name = reference.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise ValueError(f"{text!r}: write configmap:NAMESPACE/NAME")
    return ConfigMapRef(namespace, name)


class PolicyFile:
    """Offers a file's text to the store, at start and after each change; of a ConfigMap's manifest the policy file in it."""

    def __init__(self, path: Path, store: PolicyStore) -> None:
        self._path = path
        self._store = store
        self._stopped = Event()
        self._seen: tuple[int, int, int] | None = None

    def start(self) -> None:
        """Read the file once, then watch it from a thread of its own."""
        self.look()
        Thread(target=self._watch, name="policy-file", daemon=True).start()

    def stop(self) -> None:
        """End the watch."""
        self._stopped.set()

    def look(self) -> None:
        """Offer the text if the file changed; one that cannot be read leaves all as it is and is logged."""
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
            except Exception:  # whatever this file does, the next one must still be read
                logger.exception("policy file %s", self._path)
