"""Proofs shared by those who wait for them, as a database shares one write to disk."""

from collections.abc import Callable
from threading import Event, Lock

from webhook.model.decision import Closure
from webhook.model.reason import ReasonCode
from webhook.server.unavailable import Unavailable


class Shared:
    """Lets callers who come while a proof is under way share the next one.

    A proof that had begun before a caller came says nothing to that caller: the policy may have gone in between.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._turns: dict[str, Turn] = {}

    def call(self, key: str, prove: Callable[[], Closure], *, timeout: float) -> Closure:
        """The result of a `prove` for `key` that begins after this call did.  Raises what it raises, or Unavailable."""
        with self._lock:
            turn = self._turns.setdefault(key, Turn())
            mine = turn.next
            if mine is None:
                mine = turn.next = Attempt()
                leads = True
            else:
                leads = False
            turn.users += 1
        try:
            return self._lead(turn, mine, prove, timeout) if leads else mine.result(timeout)
        finally:
            with self._lock:
                turn.users -= 1
                if not turn.users:
                    del self._turns[key]

    def _lead(self, turn: "Turn", mine: "Attempt", prove: Callable[[], Closure], timeout: float) -> Closure:
        if not turn.running.acquire(timeout=timeout):
            with self._lock:
                turn.next = None
            mine.fail(Unavailable(ReasonCode.ISOLATION_NOT_PROVEN, "the proof before this one does not end"))
            return mine.result(0)
        try:
            with self._lock:
                turn.next = None
            mine.run(prove)
        finally:
            turn.running.release()
        return mine.result(0)


class Attempt:
    """One proof and those who wait for it."""

    def __init__(self) -> None:
        self._done = Event()
        self._closure: Closure | None = None
        self._error: Exception | None = None

    def run(self, prove: Callable[[], Closure]) -> None:
        """Prove, and let everybody know."""
        try:
            self._closure = prove()
        except Exception as error:  # noqa: BLE001 (each waiter raises it)
            self._error = error
        self._done.set()

    def fail(self, error: Exception) -> None:
        """Let everybody know that there is no proof."""
        self._error = error
        self._done.set()

    def result(self, timeout: float) -> Closure:
        """What came of it.  Raises what the proof raised, or Unavailable after `timeout` seconds."""
        if not self._done.wait(timeout):
            raise Unavailable(ReasonCode.ISOLATION_NOT_PROVEN, "the proof takes too long")
        if self._error is not None:
            raise self._error
        assert self._closure is not None
        return self._closure


class Turn:
    """The proof of one namespace that runs, and the one that comes next."""

    def __init__(self) -> None:
        self.running = Lock()
        self.next: Attempt | None = None
        self.users = 0
