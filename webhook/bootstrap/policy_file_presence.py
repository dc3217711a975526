"""Reports a missing ConfigMap of the policy file, by log, Event and metric."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Final, Protocol

from webhook.config.source import ConfigMapRef
from webhook.kube.api import Json

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 1.0


class WatchedObjects(Protocol):
    """The objects that a watch has seen."""

    @property
    def synced(self) -> bool:
        """Return whether the first list was received."""

    def get(self, key: str) -> Json | None:
        """Return the object with a key."""


class PolicyFilePresence:
    """Reports once when the ConfigMap is missing, and once when it exists again."""

    def __init__(
        self,
        source: ConfigMapRef,
        cache: WatchedObjects,
        *,
        in_force: Callable[[], bool],
        on_change: Callable[[str], None],
    ) -> None:
        """`in_force` returns whether a policy is in force. `on_change` receives the problem, or an empty text once it is solved."""
        self.key = f"{source.namespace}/{source.name}"
        self._cache = cache
        self._in_force = in_force
        self._on_change = on_change
        self._stopped = Event()
        self.trouble = ""

    def start(self) -> None:
        """Start checking periodically on its own thread."""
        Thread(target=self._run, name="policy-file", daemon=True).start()

    def check(self) -> None:
        """Compare with the previous check, and report a change."""
        if not self._cache.synced:
            return
        missing = self._cache.get(self.key) is None
        if missing is bool(self.trouble):
            return
        self.trouble = describe_absence(self.key, in_force=self._in_force()) if missing else ""
        if missing:
            logger.error("%s", self.trouble)
        else:
            logger.info("ConfigMap %s exists", self.key)
        self._on_change(self.trouble)

    def _run(self) -> None:
        while not self._stopped.wait(CHECK_SECONDS):
            self.check()


def describe_absence(key: str, *, in_force: bool) -> str:
    """Return what the absence of the ConfigMap means, and how to fix it."""
    then = (
        "this process uses the last policy, but a process that starts now has no policy and is not ready"
        if in_force
        else "this process has no policy, is not ready, and rejects the requests that it must check"
    )
    return (
        f"ConfigMap {key}, which contains the policy file, is missing: {then}; apply it again (helm upgrade applies it)"
    )
