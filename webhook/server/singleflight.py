"""Callers that ask for the same verification at the same time share one, as in a database's group commit."""

from collections.abc import Callable
from threading import Event, Lock

from webhook.model.reason import ReasonCode
from webhook.model.steps import IsolationStatus
from webhook.server.unavailable import Unavailable


class SingleFlight:
    """Runs at most one verification per key at a time; callers that arrive meanwhile share the next one.

    A caller never gets the result of a verification that began before its call: the policy may have been removed in between.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._slots: dict[str, Slot] = {}

    def do(self, key: str, verify: Callable[[], IsolationStatus], *, timeout: float) -> IsolationStatus:
        """Return the result of a `verify` for `key` that begins after this call.

        Raises what `verify` raises, and Unavailable after `timeout` seconds.
        """
        with self._lock:
            slot = self._slots.setdefault(key, Slot())
            call = slot.next
            if call is None:
                call = slot.next = SharedCall()
                is_leader = True
            else:
                is_leader = False
            slot.users += 1
        try:
            return self._lead(slot, call, verify, timeout) if is_leader else call.result(timeout)
        finally:
            with self._lock:
                slot.users -= 1
                if not slot.users:
                    del self._slots[key]

    def _lead(
        self, slot: "Slot", call: "SharedCall", verify: Callable[[], IsolationStatus], timeout: float
    ) -> IsolationStatus:
        """Run a call once the running one has ended."""
        if not slot.running.acquire(timeout=timeout):
            with self._lock:
                slot.next = None
            call.fail(Unavailable(ReasonCode.ISOLATION_NOT_PROVEN, "the isolation check before this one does not end"))
            return call.result(0)
        try:
            with self._lock:
                slot.next = None
            call.run(verify)
        finally:
            slot.running.release()
        return call.result(0)


class SharedCall:
    """One verification and the callers that wait for it."""

    def __init__(self) -> None:
        self._done = Event()
        self._closure: IsolationStatus | None = None
        self._error: Exception | None = None

    def run(self, verify: Callable[[], IsolationStatus]) -> None:
        """Run the verification and wake every waiting caller."""
        try:
            self._closure = verify()
        except Exception as error:  # noqa: BLE001 (each waiting caller raises it)
            self._error = error
        self._done.set()

    def fail(self, error: Exception) -> None:
        """Make every waiting caller raise an error."""
        self._error = error
        self._done.set()

    def result(self, timeout: float) -> IsolationStatus:
        """Return the result of the verification.

        Raises what the verification raised, and Unavailable after `timeout` seconds.
        """
        if not self._done.wait(timeout):
            raise Unavailable(ReasonCode.ISOLATION_NOT_PROVEN, "the isolation check takes too long")
        if self._error is not None:
            raise self._error
        assert self._closure is not None
        return self._closure


class Slot:
    """The running and the next verification of one key."""

    def __init__(self) -> None:
        self.running = Lock()
        self.next: SharedCall | None = None
        self.users = 0
