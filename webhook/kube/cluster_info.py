"""Poll the cluster for what decides which policies catflap writes: Calico's API, the name servers, the installation time."""

import logging
from collections.abc import Callable
from datetime import datetime
from threading import Event, Thread

from msgspec import Struct

from webhook.netpol.dns import DetectedDns
from webhook.netpol.intent import PolicyEngine

logger = logging.getLogger(__name__)

# The delay until a change of the cluster itself (Calico's API comes or goes, the webhook is registered) is noticed.
POLL_SECONDS = 5.0
FIRST_POLL_SECONDS = 0.5


class ClusterInfo(Struct, frozen=True):
    """The properties of the cluster that decide which policies are written, and since when namespaces are isolated.

    `calico` are the resources that Calico's API serves now; `detected_dns` are the cluster's name servers.
    """

    engine: PolicyEngine
    calico: frozenset[str]
    detected_dns: DetectedDns
    isolation_since: datetime


class ClusterInfoPoller:
    """Keeps the last result of `look`; a failure keeps the result before it.

    `on_change` is called with each new result, on the poller's own thread.
    """

    def __init__(self, look: Callable[[], ClusterInfo], on_change: Callable[[ClusterInfo], None]) -> None:
        self.current: ClusterInfo | None = None
        self._look = look
        self._on_change = on_change
        self._wake = Event()
        self._stopped = False
        self._trouble = ""

    def start(self) -> None:
        """Start polling on a thread of its own."""
        Thread(target=self._keep_looking, name="cluster-info", daemon=True).start()

    def poll_now(self) -> None:
        """Poll at once: the policy file may name another engine."""
        self._wake.set()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped = True
        self._wake.set()

    def _complain(self, trouble: str) -> None:
        """Log a failure once, not at every poll."""
        if trouble != self._trouble:
            logger.warning("cannot read the name servers and API groups of the cluster: %s", trouble)
        self._trouble = trouble

    def _keep_looking(self) -> None:
        while not self._stopped:
            self._wake.clear()
            try:
                seen = self._look()
            except Exception as error:  # noqa: BLE001 (whatever it is, the next poll may succeed)
                self._complain(str(error))
            else:
                self._trouble = ""
                if seen != self.current:
                    logger.info("cluster info: %s", seen)
                    self.current = seen
                    self._on_change(seen)
            self._wake.wait(POLL_SECONDS if self.current else FIRST_POLL_SECONDS)
