"""What the cluster is like beyond its namespaces, looked at again and again."""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Event, Thread

from msgspec import Struct

from webhook.netpol.dns import Detected
from webhook.netpol.intent import Engine

logger = logging.getLogger(__name__)

# How soon a change of the cluster itself (Calico's API comes or goes, the webhook is registered) is noticed.
LOOK_SECONDS = 5.0
FIRST_LOOK_SECONDS = 0.5


class Surroundings(Struct, frozen=True):
    """What of the cluster decides which policies are written, and since when namespaces are closed.

    `calico` are the resources that Calico's API takes now; `detected_dns` are its name servers.
    """

    engine: Engine
    calico: frozenset[str]
    detected_dns: Detected
    closed_since: datetime


class Lookout:
    """Keeps the surroundings as `look` sees them; what it cannot see leaves the last ones in place.

    `on_change` is called with each new view, from the lookout's own thread.
    """

    def __init__(self, look: Callable[[], Surroundings], on_change: Callable[[Surroundings], None]) -> None:
        self.current: Surroundings | None = None
        self._look = look
        self._on_change = on_change
        self._wake = Event()
        self._stopped = False
        self._trouble = ""

    def start(self) -> None:
        """Begin, on a thread of its own."""
        Thread(target=self._keep_looking, name="surroundings", daemon=True).start()

    def look_now(self) -> None:
        """Do not wait for the next turn: the policy may name another engine."""
        self._wake.set()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped = True
        self._wake.set()

    def _complain(self, trouble: str) -> None:
        """Say what the trouble is once, not at every look."""
        if trouble != self._trouble:
            logger.warning("the cluster's surroundings are not known: %s", trouble)
        self._trouble = trouble

    def _keep_looking(self) -> None:
        while not self._stopped:
            self._wake.clear()
            try:
                seen = self._look()
            except Exception as error:  # noqa: BLE001 (whatever it is, the next look may go better)
                self._complain(str(error))
            else:
                self._trouble = ""
                if seen != self.current:
                    logger.info("surroundings: %s", seen)
                    self.current = seen
                    self._on_change(seen)
            self._wake.wait(LOOK_SECONDS if self.current else FIRST_LOOK_SECONDS)
