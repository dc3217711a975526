"""A queue for answers that must wait, in which no caller takes the places of others.

Each answer counts for its user and for its namespace. The next answer is the one whose user and namespace were served the least
of late (start-time fair queueing: Goyal, Vin, Cheng 1996), so a burst delays nobody but its own caller. Where the queue is
full, the longest share gives up its newest place (longest queue drop: Suter et al., "Buffer Management Schemes", 1999).
"""

from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Lock, Thread
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from webhook.model.kinds import CONFIGMAPS
from webhook.model.request import Request

# Each thread waits for two or three requests to the API server, of some milliseconds each.
THREADS: Final = 16
# Three shares at their limit leave one thread to all others.
MOST_RUNNING: Final = 5
# At 10 ms an answer and 16 threads, the last of these waits for 160 ms.
MOST_WAITING: Final = 256
# Of the 4 s that a review has (webhook.server.patience), 2 s are left for the question that it then asks the API server.
LONGEST_WAIT_SECONDS: Final = 2.0
# Heavy steps compute, so two at once would take twice as long each, and more of the interpreter from the event loop.
# One takes 0.2 s as a rule, so that the last one waits for less than the 4 s that a review has.
MOST_HEAVY_WAITING: Final = 16
LONGEST_HEAVY_WAIT_SECONDS: Final = 4.0
# A policy file costs up to two seconds of a core; people apply one at a time.
MOST_FILES_WAITING: Final = 4

Key = tuple[str, str]
Outcome = TypeVar("Outcome")


class NoPlace(Exception):  # noqa: N818 (a state of the queue)
    """There is no place left to wait in, or the answer waited too long; the caller is refused for now."""


class Share(Struct, frozen=True):
    """Whose share an answer counts for; `policy_file` answers have a queue of their own."""

    user: str
    namespace: str
    policy_file: bool = False

    @property
    def keys(self) -> tuple[Key, ...]:
        """The user and the namespace, apart; an object without a namespace counts for its user alone."""
        return (("user", self.user), ("namespace", self.namespace)) if self.namespace else (("user", self.user),)


def share_of(request: Request) -> Share:
    """The share that a request counts for.

    Kubernetes' own controllers act for all namespaces under one name each, so each counts as one user a namespace: otherwise one
    namespace's Pods would take the controller's places from all others.
    """
    namespace = request.target.namespace
    user = f"{request.user.name} in {namespace}" if request.user.is_controller else request.user.name
    return Share(user, namespace, policy_file=(request.target.group, request.target.resource) == CONFIGMAPS)


class Waiter(Struct, Generic[Outcome]):
    """One answer that waits."""

    share: Share
    work: Callable[[], Outcome]
    future: "Future[Outcome]"
    since: float
    number: int = 0  # by arrival


class FairQueue(Generic[Outcome]):
    """Threads that finish answers, and the places in which answers wait for them."""

    def __init__(
        self,
        *,
        threads: int = THREADS,
        most_running: int = MOST_RUNNING,
        most_waiting: int = MOST_WAITING,
        longest_wait: float = LONGEST_WAIT_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._most_running = most_running
        self._most_waiting = most_waiting
        self._most_of_one = max(1, most_waiting // 2)
        self._longest_wait = longest_wait
        self._clock = clock
        lock = Lock()
        self._ready = Condition(lock)  # there may be something to do
        self._begun = Condition(lock)  # the queue is no longer empty
        self._flows: dict[Share, deque[Waiter[Outcome]]] = {}
        self._waiting: Counter[Key] = Counter()
        self._running: Counter[Key] = Counter()
        self._turns: dict[Key, int] = {}  # of those that wait or run: when each is to be served next
        self._turn = 0
        self._count = self._number = 0
        for number in range(threads):
            Thread(target=self._work, name=f"answer-{number}", daemon=True).start()
        Thread(target=self._expire, name="answer-limit", daemon=True).start()

    def submit(self, share: Share, work: Callable[[], Outcome]) -> "Future[Outcome]":
        """The outcome of `work`, to come; its exception is NoPlace where it found no place, or lost it."""
        waiter = Waiter(share, work, Future[Outcome](), self._clock())
        with self._ready:
            loser = self._admit(waiter)
            self._ready.notify()
        if loser is not None:
            refuse(loser)
        return waiter.future

    def _admit(self, waiter: "Waiter[Outcome]") -> "Waiter[Outcome] | None":
        """Give the newcomer a place; the result is the waiter, itself or another, for which there is none."""
        own = self._length(waiter.share)
        if own >= self._most_of_one:
            return waiter
        loser = None
        if self._count >= self._most_waiting:
            longest = max(self._flows, key=self._length)
            if own + 1 >= self._length(longest):
                return waiter
            loser = self._take(longest, newest=True)
        if not self._count:
            self._begun.notify()
        self._number += 1
        waiter.number = self._number
        self._flows.setdefault(waiter.share, deque()).append(waiter)
        self._count_waiting(waiter.share, 1)
        return loser

    def _length(self, share: Share) -> int:
        """How many wait of its user, or of its namespace, whichever are more."""
        return max(self._waiting[key] for key in share.keys)

    def _take(self, share: Share, *, newest: bool = False) -> "Waiter[Outcome]":
        """A waiter taken out of its flow."""
        flow = self._flows[share]
        waiter = flow.pop() if newest else flow.popleft()
        if not flow:
            del self._flows[share]
        self._count_waiting(share, -1)
        return waiter

    def _count_waiting(self, share: Share, change: int) -> None:
        self._count += change
        for key in share.keys:
            self._waiting[key] += change
            self._turns.setdefault(key, self._turn)
            self._forget(key)

    def _forget(self, key: Key) -> None:
        """Keep nothing of a user or namespace that neither waits nor runs."""
        if not self._waiting[key] and not self._running[key]:
            for kept in (self._waiting, self._running, self._turns):
                kept.pop(key, None)

    def _next(self) -> "Waiter[Outcome] | None":
        """The waiter whose turn it is; None where every flow has as much running as it may."""
        ready = [share for share in self._flows if all(self._running[key] < self._most_running for key in share.keys)]
        if not ready:
            return None
        share = min(ready, key=lambda one: (self._turn_of(one), self._flows[one][0].number))
        self._turn = max(self._turn, self._turn_of(share))
        for key in share.keys:
            self._turns[key] = max(self._turns[key], self._turn) + 1
            self._running[key] += 1
        return self._take(share)

    def _turn_of(self, share: Share) -> int:
        """The later turn of its user and its namespace."""
        return max(self._turns[key] for key in share.keys)

    def _work(self) -> None:
        while True:
            with self._ready:
                while (waiter := self._next()) is None:
                    self._ready.wait()
            if waiter.future.set_running_or_notify_cancel():
                run(waiter)
            with self._ready:  # this thread itself takes what may run now
                for key in waiter.share.keys:
                    self._running[key] -= 1
                    self._forget(key)

    def _expire(self) -> None:
        while True:
            with self._begun:
                expired = self._late()
            for waiter in expired:
                refuse(waiter)

    def _late(self) -> "list[Waiter[Outcome]]":
        """Those who waited too long, also while every thread is held up; waits until there may be some."""
        oldest = min((flow[0].since for flow in self._flows.values()), default=None)
        if oldest is None:
            self._begun.wait()
            return []
        if (left := oldest + self._longest_wait - self._clock()) > 0:
            self._begun.wait(left)
            return []
        return [self._take(share) for share, flow in list(self._flows.items()) if flow[0].since <= oldest]


def run(waiter: Waiter[Outcome]) -> None:
    """Do the work of one waiter."""
    try:
        waiter.future.set_result(waiter.work())
    except BaseException as error:  # noqa: BLE001 (the waiter raises it)
        waiter.future.set_exception(error)


def refuse(waiter: Waiter[Outcome]) -> None:
    """Let a waiter know that it lost its place."""
    if waiter.future.set_running_or_notify_cancel():
        waiter.future.set_exception(NoPlace())


class AnswerQueues:
    """One queue for steps that wait for the API server or the disk, one for steps that compute, one for policy files."""

    def __init__(self) -> None:
        self._asking: FairQueue[Any] = FairQueue()
        self._heavy: FairQueue[Any] = FairQueue(
            threads=1, most_running=1, most_waiting=MOST_HEAVY_WAITING, longest_wait=LONGEST_HEAVY_WAIT_SECONDS
        )
        self._files: FairQueue[Any] = FairQueue(threads=1, most_running=1, most_waiting=MOST_FILES_WAITING)

    def submit(self, share: Share, work: Callable[[], Outcome], *, heavy: bool = False) -> "Future[Outcome]":
        """The outcome of a step, to come; its exception is NoPlace where the caller is to be refused for now."""
        queue = self._files if share.policy_file else self._heavy if heavy else self._asking
        return queue.submit(share, work)
