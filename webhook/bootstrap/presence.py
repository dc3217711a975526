"""Whether the ConfigMap with the policy file is there; that it is not is said where people look."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Final, Protocol

from webhook.config.source import ConfigMapRef
from webhook.kube.api import Json

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0


class Cache(Protocol):
    """What a watch has seen."""

    @property
    def synced(self) -> bool:
        """Whether it took in its first list."""

    def get(self, key: str) -> Json | None:
        """The object under a key."""


class Presence:
    """Says once when the ConfigMap is missing, and once when it is there again; `on_change` is told either."""

    def __init__(
        self, source: ConfigMapRef, cache: Cache, *, in_force: Callable[[], bool], on_change: Callable[[str], None]
    ) -> None:
        """`in_force` says whether some policy file is; `on_change` is called with what is wrong, and with an empty text once it is right."""
        self.key = f"{source.namespace}/{source.name}"
        self._cache = cache
        self._in_force = in_force
        self._on_change = on_change
        self._stopped = Event()
        self.trouble = ""

    def start(self) -> None:
        """Begin to look again and again, on a thread of its own."""
        Thread(target=self._keep_looking, name="policy-file", daemon=True).start()

    def look(self) -> None:
        """Compare with what was seen before."""
        if not self._cache.synced:
            return
        missing = self._cache.get(self.key) is None
        if missing is bool(self.trouble):
            return
        self.trouble = described(self.key, in_force=self._in_force()) if missing else ""
        if missing:
            logger.error("%s", self.trouble)
        else:
            logger.info("ConfigMap %s is there", self.key)
        self._on_change(self.trouble)

    def _keep_looking(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self.look()


def described(key: str, *, in_force: bool) -> str:
    """What the absence of the ConfigMap means, and what to do."""
    then = (
        "this process goes on with the last one, but one that starts now has none, and is not ready"
        if in_force
        else "no policy file is in force, so this process is not ready, and what is judged is refused"
    )
    return f"ConfigMap {key}, which holds the policy file, is missing: {then}; apply it again (helm upgrade does)"
