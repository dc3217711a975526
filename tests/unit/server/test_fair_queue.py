"""No caller uses up the capacity of others; the tests count tasks and do not measure time."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Lock
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reviews import GOOD, encoded, pod
from webhook.review.decode import decode
from webhook.server.fair_queue import FairQueue, QueueFlow, QueueRejected, ReviewQueues, flow_of
from webhook.server.http_reply import HttpReply

ALICE, BOB = QueueFlow("alice", "a"), QueueFlow("bob", "b")
LONG: Final = 3600.0
POLICY_FILE: Final = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "catflap-policy"}, "data": {}}


def until(happened: Callable[[], object]) -> None:
    """Wait for another thread; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class GatedWork:
    """Work that ends when a test releases it; records the order in which it began."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._open = Event()
        self._lock = Lock()

    def work(self, name: str) -> str:
        """Wait for the release."""
        with self._lock:
            self.begun.append(name)
        self._open.wait(30)
        return name

    def open(self) -> None:
        """Release all work."""
        self._open.set()


class GatedQueue:
    """A queue whose threads wait for the release."""

    def __init__(self, *, threads: int = 1, max_running: int = 1000, max_waiting: int = 8) -> None:
        self.gated = GatedWork()
        self.queue: FairQueue[str] = FairQueue(
            threads=threads, max_running=max_running, max_waiting=max_waiting, max_wait=LONG
        )

    def hold(self, flow: QueueFlow, count: int) -> None:
        """Occupy threads with tasks of a flow."""
        before = len(self.gated.begun)
        for _ in range(count):
            self.submit(flow, "held")
        until(lambda: len(self.gated.begun) == before + count)

    def submit(self, flow: QueueFlow, name: str = "") -> "Future[str]":
        """Submit one task."""
        label = name or flow.user
        return self.queue.submit(flow, lambda: self.gated.work(label))


def refused(futures: "list[Future[str]]") -> int:
    """Return how many tasks the queue has rejected so far."""
    return sum(one.done() and isinstance(one.exception(), QueueRejected) for one in futures)


def test_a_burst_delays_only_its_own_caller() -> None:
    """Bob's task is the sixth to arrive, and runs after one of Alice's."""
    gated_queue = GatedQueue()
    gated_queue.hold(QueueFlow("warm-up", "w"), 1)
    hers = [gated_queue.submit(ALICE) for _ in range(4)]
    his = gated_queue.submit(BOB)
    gated_queue.gated.open()
    assert his.result(10) == "bob"
    assert [one.result(10) for one in hers] == ["alice"] * 4
    assert gated_queue.gated.begun.index("bob") <= 2


def test_two_bursts_are_served_alternately() -> None:
    """The order of arrival does not matter."""
    gated_queue = GatedQueue(max_waiting=16)
    gated_queue.hold(QueueFlow("warm-up", "w"), 1)
    futures = [gated_queue.submit(flow) for flow in (ALICE, BOB) for _ in range(5)]
    gated_queue.gated.open()
    assert [one.result(10) for one in futures]
    order = gated_queue.gated.begun[1:]
    assert all({*order[place : place + 2]} == {"alice", "bob"} for place in range(0, 10, 2))


@pytest.mark.parametrize(
    "burst",
    [
        [QueueFlow("alice", "a")] * 300,
        [QueueFlow(f"account-{number}", "a") for number in range(300)],  # accounts that one namespace's editor makes
        [QueueFlow("alice", f"space-{number}") for number in range(300)],  # one user in all namespaces
    ],
    ids=["one user, one namespace", "many users, one namespace", "one user, many namespaces"],
)
def test_a_full_queue_accepts_tasks_of_others(burst: list[QueueFlow]) -> None:
    """The longest flow loses a task; tasks of other flows are never rejected."""
    gated_queue = GatedQueue(max_waiting=64)
    gated_queue.hold(QueueFlow("warm-up", "w"), 1)
    theirs = [gated_queue.submit(flow) for flow in burst]
    others = [gated_queue.submit(QueueFlow(f"user-{number}", f"home-{number}")) for number in range(32)]
    more = [gated_queue.submit(flow) for flow in burst]
    assert refused(others) == 0
    assert refused(theirs) + refused(more) >= 600 - 32
    gated_queue.gated.open()
    assert [one.result(10) for one in others] == [f"user-{number}" for number in range(32)]


def test_one_flow_never_fills_the_queue() -> None:
    """One flow gets at most half of it, also where no other flow waits."""
    gated_queue = GatedQueue(max_waiting=64)
    gated_queue.hold(QueueFlow("warm-up", "w"), 1)
    theirs = [gated_queue.submit(ALICE) for _ in range(64)]
    assert refused(theirs) == 32
    gated_queue.gated.open()


def test_slow_tasks_of_one_flow_leave_threads_to_others() -> None:
    """Only so many tasks of a flow run at once, independent of how many wait."""
    gated_queue = GatedQueue(threads=4, max_running=3)
    hers = [gated_queue.submit(ALICE) for _ in range(4)]
    until(lambda: gated_queue.gated.begun == ["alice"] * 3)
    his = gated_queue.submit(BOB)
    until(lambda: "bob" in gated_queue.gated.begun)
    assert gated_queue.gated.begun.count("alice") == 3
    gated_queue.gated.open()
    assert [one.result(10) for one in (*hers, his)] == ["alice"] * 4 + ["bob"]


def test_a_task_that_waits_too_long_is_rejected_while_all_threads_are_busy() -> None:
    """The API server's timeout is five seconds, so a task must not begin late."""
    gated = GatedWork()
    queue: FairQueue[str] = FairQueue(threads=1, max_wait=0.05)
    held = queue.submit(ALICE, lambda: gated.work("held"))
    until(lambda: gated.begun == ["held"])
    late = [queue.submit(flow, lambda: gated.work("late")) for flow in (ALICE, BOB)]
    for one in late:
        with pytest.raises(QueueRejected):
            one.result(10)
    gated.open()
    assert held.result(10) == "held"
    assert gated.begun == ["held"]


def test_an_exception_of_a_task_reaches_its_caller() -> None:
    """The thread continues with the next task."""
    queue: FairQueue[str] = FairQueue(threads=1)

    def bad() -> str:
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        queue.submit(ALICE, bad).result(10)
    assert queue.submit(ALICE, lambda: "good").result(10) == "good"


FLOWS = st.builds(QueueFlow, st.sampled_from("abc"), st.sampled_from(["", "x", "y", "z"]))


# Each example leaves three idle threads. It waits for other threads, so its time depends on the machine's load.
@settings(max_examples=25, deadline=None)
@given(st.lists(FLOWS, max_size=40), st.integers(1, 12))
def test_every_task_is_completed_or_rejected_once_and_nothing_is_kept(flows: list[QueueFlow], most: int) -> None:
    """This holds for any order; afterwards the queue has no entry of any user or namespace."""
    queue: FairQueue[QueueFlow] = FairQueue(threads=2, max_running=1, max_waiting=most, max_wait=LONG)
    futures = [queue.submit(flow, lambda flow=flow: flow) for flow in flows]  # type: ignore[misc]  # a default binds it
    for flow, future in zip(flows, futures, strict=True):
        assert isinstance(future.exception(10), QueueRejected) or future.result() is flow
    until(lambda: not (queue._waiting or queue._running or queue._start_tags or queue._queues))


def test_policy_files_have_a_queue_of_their_own() -> None:
    """A Pod never waits for policy files."""
    queues, gated = ReviewQueues(), GatedWork()
    reply = HttpReply(200, b"")

    def slow() -> HttpReply:
        gated.work("file")
        return reply

    files = [queues.submit(QueueFlow(f"user-{number}", "", is_policy_file=True), slow) for number in range(100)]
    assert queues.submit(BOB, lambda: reply).result(10) is reply
    until(lambda: sum(one.done() for one in files) >= 95 and gated.begun)
    assert gated.begun == ["file"]
    gated.open()


@pytest.mark.parametrize(
    ("user", "flows"),
    [
        ("jane", 1),
        ("system:serviceaccount:shop:deployer", 1),
        ("system:serviceaccount:kube-system:replicaset-controller", 2),
        ("system:kube-controller-manager", 2),
    ],
)
def test_kubernetes_controllers_have_one_flow_per_namespace(user: str, flows: int) -> None:
    """They act for all namespaces, and the Pods of one namespace must not use up their capacity in another."""
    requests = [
        decode(encoded(pod(GOOD), namespace=space, userInfo={"username": user, "groups": []})) for space in ("a", "b")
    ]
    assert len({flow_of(one).user for one in requests}) == flows
    assert {flow_of(one).namespace for one in requests} == {"a", "b"}


def test_a_policy_file_is_recognised() -> None:
    """The registration sends no other ConfigMap."""
    assert flow_of(decode(encoded(POLICY_FILE))).is_policy_file
    assert not flow_of(decode(encoded(pod(GOOD)))).is_policy_file
