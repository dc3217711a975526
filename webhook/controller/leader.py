"""Which of several controllers does what only one should do."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final

from webhook.kube.api import ApiError
from webhook.kube.lease import Lease
from webhook.model.reason import Reason, ReasonCode

logger = logging.getLogger(__name__)

LEASE: Final = "catflap-controller"
# Nothing that the leader does is urgent, so it says that it lives three times a minute, not thirty times as schedulers do.
LEASE_SECONDS: Final = 60
RENEW_SECONDS: Final = 20.0
# Nobody else may take the Lease before it has ended, and what the leader began to do may take a moment longer.
BELIEVED_SECONDS: Final = LEASE_SECONDS - 15.0


class Leader:
    """Holds the Lease where it can; `on_change` is told when it begins and ceases to lead, and why."""

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
        self._until = 0.0
        self._led = False
        self._telling = Lock()
        self._stopped = Event()
        self._trouble = ""

    @property
    def leads(self) -> bool:
        """Whether we may do now what one replica alone does."""
        return self._clock() < self._until

    def start(self) -> None:
        """Begin to try, on a thread of its own."""
        Thread(target=self._keep_trying, name="leader", daemon=True).start()

    def stop(self) -> None:
        """Lead no longer, and let another replica at once; waits for the API server no longer than for one request."""
        self._stopped.set()
        led, self._until = self.leads, 0.0
        if led:
            try:
                self._lease.release()
            except ApiError as error:
                logger.warning("the Lease is not given back: %s", error)
        self._tell(Reason(ReasonCode.LEASE_RELEASED, "it stops"))

    def look(self) -> None:
        """Try once to take or to keep the Lease; where nobody answers, what was believed is believed until it ends."""
        begun = self._clock()
        try:
            held = self._lease.hold()
        except ApiError as error:
            if str(error) != self._trouble:
                logger.warning("who leads is not known: %s", error)
            self._trouble = str(error)
            self._tell(Reason(ReasonCode.LEASE_NOT_RENEWED, "the Lease could not be renewed in time"))
        else:
            self._trouble = ""
            self._until = begun + BELIEVED_SECONDS if held and not self._stopped.is_set() else 0.0
            self._tell(why(self._lease, held=held))

    def _tell(self, why: Reason) -> None:
        with self._telling:
            if self.leads != self._led:
                self._led = self.leads
                logger.info("this replica %s: %s", "leads" if self._led else "does not lead", why.words)
                self._on_change(self._led, why)

    def _keep_trying(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(RENEW_SECONDS)


def why(lease: Lease, *, held: bool) -> Reason:
    """What made us begin or cease to lead, by who held the Lease when we looked."""
    if not held:
        return Reason(ReasonCode.LEASE_HELD_BY_OTHER, f"the Lease is held by {lease.holder or 'another'}")
    if lease.holder == lease.candidate:
        return Reason(ReasonCode.LEASE_RENEWED, "the Lease could be renewed again")
    if lease.holder:
        return Reason(ReasonCode.LEASE_EXPIRED, f"the Lease had ended, {lease.holder} held it")
    return Reason(ReasonCode.LEASE_ACQUIRED, "nobody held the Lease")
