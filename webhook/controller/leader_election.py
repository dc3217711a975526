"""Which of several controllers does what only one should do."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

from webhook.kube.api import ApiError
from webhook.kube.lease import Lease

logger = logging.getLogger(__name__)

LEASE_NAME: Final = "catflap-controller"
# Nothing that the leader does is urgent, so it says that it lives three times a minute, not thirty times as schedulers do.
LEASE_SECONDS: Final = 60
RENEW_SECONDS: Final = 20.0
# Nobody else may take the Lease before it has ended, and what the leader began to do may take a moment longer.
RENEW_DEADLINE_SECONDS: Final = LEASE_SECONDS - 15.0


class LeaderElector:
    """Holds the Lease where it can; `on_change` is told when it begins and ceases to lead, and why."""

    def __init__(
        self,
        lease: Lease,
        *,
        on_change: Callable[[bool, str], None] = lambda *_: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._lease = lease
        self._on_change = on_change
        self._clock = clock
        self._leads_until = 0.0
        self._was_leader = False
        self._notify_lock = Lock()
        self._stopped = Event()
        self._last_error = ""

    @property
    def is_leader(self) -> bool:
        """Whether we may do now what one replica alone does."""
        return self._clock() < self._leads_until

    def start(self) -> None:
        """Begin to try, on a thread of its own."""
        Thread(target=self._run, name="leader", daemon=True).start()

    def stop(self) -> None:
        """Lead no longer, and let another replica at once; waits for the API server no longer than for one request."""
        self._stopped.set()
        led, self._leads_until = self.is_leader, 0.0
        if led:
            try:
                self._lease.release()
            except ApiError as error:
                logger.warning("the Lease is not given back: %s", error)
        self._notify("it stops")

    def try_acquire(self) -> None:
        """Try once to take or to keep the Lease; where nobody answers, what was believed is believed until it ends."""
        begun = self._clock()
        try:
            held = self._lease.hold()
        except ApiError as error:
            if str(error) != self._last_error:
                logger.warning("who leads is not known: %s", error)
            self._last_error = str(error)
            self._notify("the Lease could not be renewed in time")
        else:
            self._last_error = ""
            self._leads_until = begun + RENEW_DEADLINE_SECONDS if held and not self._stopped.is_set() else 0.0
            self._notify(transition_reason(self._lease, held=held))

    def _notify(self, reason: str) -> None:
        with self._notify_lock:
            if self.is_leader != self._was_leader:
                self._was_leader = self.is_leader
                logger.info("this replica %s: %s", "leads" if self._was_leader else "does not lead", reason)
                self._on_change(self._was_leader, reason)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.try_acquire()
            self._stopped.wait(RENEW_SECONDS)


def transition_reason(lease: Lease, *, held: bool) -> str:
    """What made us begin or cease to lead, by who held the Lease when we looked."""
    if not held:
        return f"the Lease is held by {lease.holder or 'another'}"
    if lease.holder == lease.candidate:
        return "the Lease could be renewed again"
    return f"the Lease had ended, {lease.holder} held it" if lease.holder else "nobody held the Lease"
