"""A fair queue for review steps that must wait: no caller uses up the capacity of others.

Each task counts for its user and for its namespace. The next task is the one whose user and namespace were served the least
recently (start-time fair queueing: Goyal, Vin, Cheng 1996), so a burst delays only its own caller. Where the queue is
full, the longest flow loses its newest task (longest queue drop: Suter et al., "Buffer Management Schemes", 1999).
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
from webhook.model.timeouts import HEAVY_WAIT_SECONDS, LOOKUP_WAIT_SECONDS

# Each thread waits for two or three requests to the API server, of some milliseconds each.
THREADS: Final = 16
# Three users or namespaces at their limit leave one thread to all others.
MAX_RUNNING_PER_KEY: Final = 5
# At 10 ms per task and 16 threads, the last of these waits for 160 ms.
MAX_WAITING: Final = 256
# Heavy steps compute, so two at once would take twice as long each, and leave less of the interpreter to the event loop.
# One usually takes 0.2 s, so the last one waits for less than HEAVY_WAIT_SECONDS.
MAX_HEAVY_WAITING: Final = 16
# A policy file costs up to two seconds of one core. Users apply one at a time.
MAX_POLICY_FILES_WAITING: Final = 4

Key = tuple[str, str]
Outcome = TypeVar("Outcome")


class QueueRejected(Exception):  # noqa: N818 (a state of the queue)
    """The queue is full, or the task waited too long; the caller may try again."""


class QueueFlow(Struct, frozen=True):
    """The user and the namespace that a task counts for; policy files have a queue of their own."""

    user: str
    namespace: str
    is_policy_file: bool = False

    @property
    def keys(self) -> tuple[Key, ...]:
        """Return the keys of the user and the namespace; a cluster-scoped object has the user's key only."""
        return (("user", self.user), ("namespace", self.namespace)) if self.namespace else (("user", self.user),)


def flow_of(request: Request) -> QueueFlow:
    """Return the flow of a request.

    Each of Kubernetes' controllers acts for all namespaces under one user name. It counts as one user per namespace, as otherwise the
    Pods of one namespace would use up the controller's capacity in all others.
    """
    namespace = request.target.namespace
    user = f"{request.user.name} in {namespace}" if request.user.is_controller else request.user.name
    return QueueFlow(user, namespace, is_policy_file=(request.target.group, request.target.resource) == CONFIGMAPS)


class QueuedTask(Struct, Generic[Outcome]):
    """One task that waits in the queue."""

    flow: QueueFlow
    work: Callable[[], Outcome]
    future: "Future[Outcome]"
    since: float
    number: int = 0  # in order of arrival


class FairQueue(Generic[Outcome]):
    """A pool of threads with a bounded fair queue."""

    def __init__(
        self,
        *,
        threads: int = THREADS,
        max_running: int = MAX_RUNNING_PER_KEY,
        max_waiting: int = MAX_WAITING,
        max_wait: float = LOOKUP_WAIT_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._max_per_key = max(1, max_waiting // 2)
        self._max_wait = max_wait
        self._clock = clock
        lock = Lock()
        self._ready = Condition(lock)  # a task may be ready to run
        self._begun = Condition(lock)  # the queue is no longer empty
        self._queues: dict[QueueFlow, deque[QueuedTask[Outcome]]] = {}
        self._waiting: Counter[Key] = Counter()
        self._running: Counter[Key] = Counter()
        self._start_tags: dict[
            Key, int
        ] = {}  # of keys with waiting or running tasks: the virtual time of their next task
        self._virtual_time = 0
        self._count = self._number = 0
        for number in range(threads):
            Thread(target=self._work, name=f"answer-{number}", daemon=True).start()
        Thread(target=self._expire, name="answer-limit", daemon=True).start()

    def submit(self, flow: QueueFlow, work: Callable[[], Outcome]) -> "Future[Outcome]":
        """Queue `work` and return the future of its outcome; its exception is QueueRejected where the queue rejects the task."""
        task = QueuedTask(flow, work, Future[Outcome](), self._clock())
        with self._ready:
            rejected = self._enqueue(task)
            self._ready.notify()
        if rejected is not None:
            reject_task(rejected)
        return task.future

    def _enqueue(self, task: "QueuedTask[Outcome]") -> "QueuedTask[Outcome] | None":
        """Queue a task, and return the task that the queue rejects for it: this one, another one or None."""
        own = self._length(task.flow)
        if own >= self._max_per_key:
            return task
        rejected = None
        if self._count >= self._max_waiting:
            longest = max(self._queues, key=self._length)
            if own + 1 >= self._length(longest):
                return task
            rejected = self._dequeue(longest, newest=True)
        if not self._count:
            self._begun.notify()
        self._number += 1
        task.number = self._number
        self._queues.setdefault(task.flow, deque()).append(task)
        self._count_waiting(task.flow, 1)
        return rejected

    def _length(self, flow: QueueFlow) -> int:
        """Return how many tasks of its user or of its namespace wait, whichever is more."""
        return max(self._waiting[key] for key in flow.keys)

    def _dequeue(self, flow: QueueFlow, *, newest: bool = False) -> "QueuedTask[Outcome]":
        """Remove the oldest or the newest task of a flow from the queue, and return it."""
        tasks = self._queues[flow]
        task = tasks.pop() if newest else tasks.popleft()
        if not tasks:
            del self._queues[flow]
        self._count_waiting(flow, -1)
        return task

    def _count_waiting(self, flow: QueueFlow, change: int) -> None:
        self._count += change
        for key in flow.keys:
            self._waiting[key] += change
            self._start_tags.setdefault(key, self._virtual_time)
            self._forget(key)

    def _forget(self, key: Key) -> None:
        """Delete the counters of a user or namespace that has no waiting and no running task."""
        if not self._waiting[key] and not self._running[key]:
            for kept in (self._waiting, self._running, self._start_tags):
                kept.pop(key, None)

    def _next_task(self) -> "QueuedTask[Outcome] | None":
        """Return the task with the earliest start tag; None where every flow runs as many tasks as it may."""
        ready = [flow for flow in self._queues if all(self._running[key] < self._max_running for key in flow.keys)]
        if not ready:
            return None
        flow = min(ready, key=lambda one: (self._start_tag(one), self._queues[one][0].number))
        self._virtual_time = max(self._virtual_time, self._start_tag(flow))
        for key in flow.keys:
            self._start_tags[key] = max(self._start_tags[key], self._virtual_time) + 1
            self._running[key] += 1
        return self._dequeue(flow)

    def _start_tag(self, flow: QueueFlow) -> int:
        """Return the later start tag of its user and its namespace."""
        return max(self._start_tags[key] for key in flow.keys)

    def _work(self) -> None:
        while True:
            with self._ready:
                while (task := self._next_task()) is None:
                    self._ready.wait()
            if task.future.set_running_or_notify_cancel():
                run_task(task)
            with self._ready:  # this thread continues with a task that may run now, so no other thread is notified
                for key in task.flow.keys:
                    self._running[key] -= 1
                    self._forget(key)

    def _expire(self) -> None:
        while True:
            with self._begun:
                expired = self._expired_tasks()
            for task in expired:
                reject_task(task)

    def _expired_tasks(self) -> "list[QueuedTask[Outcome]]":
        """Remove and return the tasks that waited too long; block until a task may have expired.

        Tasks expire even while all threads are busy.
        """
        oldest = min((tasks[0].since for tasks in self._queues.values()), default=None)
        if oldest is None:
            self._begun.wait()
            return []
        if (left := oldest + self._max_wait - self._clock()) > 0:
            self._begun.wait(left)
            return []
        return [self._dequeue(flow) for flow, tasks in list(self._queues.items()) if tasks[0].since <= oldest]


def run_task(task: QueuedTask[Outcome]) -> None:
    """Run one task and set its future."""
    try:
        task.future.set_result(task.work())
    except BaseException as error:  # noqa: BLE001 (the caller raises it)
        task.future.set_exception(error)


def reject_task(task: QueuedTask[Outcome]) -> None:
    """Make the future of a task raise QueueRejected."""
    if task.future.set_running_or_notify_cancel():
        task.future.set_exception(QueueRejected())


class ReviewQueues:
    """Three queues: for steps that wait for the API server or the disk, for steps that compute, and for policy files."""

    def __init__(self) -> None:
        self._lookups: FairQueue[Any] = FairQueue()
        self._heavy: FairQueue[Any] = FairQueue(
            threads=1, max_running=1, max_waiting=MAX_HEAVY_WAITING, max_wait=HEAVY_WAIT_SECONDS
        )
        self._files: FairQueue[Any] = FairQueue(threads=1, max_running=1, max_waiting=MAX_POLICY_FILES_WAITING)

    def submit(self, flow: QueueFlow, work: Callable[[], Outcome], *, is_heavy: bool = False) -> "Future[Outcome]":
        """Queue a step and return the future of its outcome; its exception is QueueRejected where the queue rejects the step."""
        queue = self._files if flow.is_policy_file else self._heavy if is_heavy else self._lookups
        return queue.submit(flow, work)
