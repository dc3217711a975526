"""Leader election over a Lease, for work that only one controller replica should do."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

from webhook.kube.api import ApiError
from webhook.kube.lease import Lease
from webhook.model.reason import Reason, ReasonCode

logger = logging.getLogger(__name__)

LEASE_NAME: Final = "catflap-controller"
# The leader's work is not urgent. It renews three times a minute, not thirty times like kube-scheduler.
LEASE_SECONDS: Final = 60
RENEW_SECONDS: Final = 20.0
# Other replicas cannot take the Lease before it expires. Work that the leader began may take a moment longer.
RENEW_DEADLINE_SECONDS: Final = LEASE_SECONDS - 15.0


class LeaderElector:
    """Acquires and renews the Lease; `on_change` is called with the new state and the reason when leadership changes."""

    def __init__(
        self,
        lease: Lease,
        *,
        on_change: Callable[[bool, Reason], None] = lambda *_: None,
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
        """Return whether this replica leads now."""
        return self._clock() < self._leads_until

    def start(self) -> None:
        """Start the election on its own thread."""
        Thread(target=self._run, name="leader", daemon=True).start()

    def stop(self) -> None:
        """Stop leading and release the Lease, so that another replica can lead at once; wait for one request at most."""
        self._stopped.set()
        led, self._leads_until = self.is_leader, 0.0
        if led:
            try:
                self._lease.release()
            except ApiError as error:
                logger.warning("cannot release the Lease: %s", error)
        self._notify(Reason(ReasonCode.LEASE_RELEASED, "the replica stops"))

    def try_acquire(self) -> None:
        """Try once to acquire or renew the Lease; while the API server does not answer, the last result counts until it expires."""
        begun = self._clock()
        try:
            held = self._lease.hold()
        except ApiError as error:
            if str(error) != self._last_error:
                logger.warning("cannot read or renew the Lease: %s", error)
            self._last_error = str(error)
            self._notify(Reason(ReasonCode.LEASE_NOT_RENEWED, "the replica could not renew the Lease in time"))
        else:
            self._last_error = ""
            self._leads_until = begun + RENEW_DEADLINE_SECONDS if held and not self._stopped.is_set() else 0.0
            self._notify(transition_reason(self._lease, held=held))

    def _notify(self, why: Reason) -> None:
        with self._notify_lock:
            if self.is_leader != self._was_leader:
                self._was_leader = self.is_leader
                logger.info("this replica %s: %s", "leads" if self._was_leader else "does not lead", why.words)
                self._on_change(self._was_leader, why)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.try_acquire()
            self._stopped.wait(RENEW_SECONDS)


def transition_reason(lease: Lease, *, held: bool) -> Reason:
    """Return why leadership changed, from the holder that was read."""
    if not held:
        return Reason(ReasonCode.LEASE_HELD_BY_OTHER, f"{lease.holder or 'another replica'} holds the Lease")
    if lease.holder == lease.candidate:
        return Reason(ReasonCode.LEASE_RENEWED, "the replica could renew the Lease again")
    if lease.holder:
        return Reason(ReasonCode.LEASE_EXPIRED, f"the Lease of {lease.holder} expired")
    return Reason(ReasonCode.LEASE_ACQUIRED, "no replica held the Lease")
