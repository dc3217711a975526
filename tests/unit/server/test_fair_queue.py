"""No caller takes the places of others: who is served, who waits and who is refused, counted without a clock."""

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
from webhook.server.fair_queue import FairQueue, Flow, QueueRejected, ReviewQueues, flow_of
from webhook.server.http_reply import HttpReply

ALICE, BOB = Flow("alice", "a"), Flow("bob", "b")
LONG: Final = 3600.0
POLICY_FILE: Final = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "catflap-policy"}, "data": {}}


def until(happened: Callable[[], object]) -> None:
    """Wait for what another thread does; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Doors:
    """Work that ends when a test lets it; remembers in which order it began."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._open = Event()
        self._lock = Lock()

    def work(self, name: str) -> str:
        """Wait for the door to be opened."""
        with self._lock:
            self.begun.append(name)
        self._open.wait(30)
        return name

    def open(self) -> None:
        """Let everything end."""
        self._open.set()


class Trial:
    """A queue whose threads are held at a door."""

    def __init__(self, *, threads: int = 1, max_running: int = 1000, max_waiting: int = 8) -> None:
        self.doors = Doors()
        self.queue: FairQueue[str] = FairQueue(
            threads=threads, max_running=max_running, max_waiting=max_waiting, max_wait=LONG
        )

    def hold(self, flow: Flow, count: int) -> None:
        """Occupy threads."""
        before = len(self.doors.begun)
        for _ in range(count):
            self.submit(flow, "held")
        until(lambda: len(self.doors.begun) == before + count)

    def submit(self, flow: Flow, name: str = "") -> "Future[str]":
        """One answer."""
        label = name or flow.user
        return self.queue.submit(flow, lambda: self.doors.work(label))


def refused(futures: "list[Future[str]]") -> int:
    """How many found no place, or lost theirs, so far."""
    return sum(one.done() and isinstance(one.exception(), QueueRejected) for one in futures)


def test_a_burst_delays_its_own_caller_alone() -> None:
    """Bob comes after six of Alice's and is served after one of hers."""
    trial = Trial()
    trial.hold(Flow("warm-up", "w"), 1)
    hers = [trial.submit(ALICE) for _ in range(4)]
    his = trial.submit(BOB)
    trial.doors.open()
    assert his.result(10) == "bob"
    assert [one.result(10) for one in hers] == ["alice"] * 4
    assert trial.doors.begun.index("bob") <= 2


def test_two_bursts_are_served_in_turns() -> None:
    """Whatever order they came in."""
    trial = Trial(max_waiting=16)
    trial.hold(Flow("warm-up", "w"), 1)
    futures = [trial.submit(flow) for flow in (ALICE, BOB) for _ in range(5)]
    trial.doors.open()
    assert [one.result(10) for one in futures]
    order = trial.doors.begun[1:]
    assert all({*order[place : place + 2]} == {"alice", "bob"} for place in range(0, 10, 2))


@pytest.mark.parametrize(
    "crowd",
    [
        [Flow("alice", "a")] * 300,
        [Flow(f"account-{number}", "a") for number in range(300)],  # accounts that one namespace's editor makes
        [Flow("alice", f"space-{number}") for number in range(300)],  # one user in all namespaces
    ],
    ids=["one user, one namespace", "many users, one namespace", "one user, many namespaces"],
)
def test_a_full_queue_has_a_place_for_others(crowd: list[Flow]) -> None:
    """The longest share gives up a place; those of others are never touched."""
    trial = Trial(max_waiting=64)
    trial.hold(Flow("warm-up", "w"), 1)
    theirs = [trial.submit(flow) for flow in crowd]
    others = [trial.submit(Flow(f"user-{number}", f"home-{number}")) for number in range(32)]
    more = [trial.submit(flow) for flow in crowd]
    assert refused(others) == 0
    assert refused(theirs) + refused(more) >= 600 - 32
    trial.doors.open()
    assert [one.result(10) for one in others] == [f"user-{number}" for number in range(32)]


def test_one_share_never_fills_the_queue() -> None:
    """Half of it at most, also where nobody else waits."""
    trial = Trial(max_waiting=64)
    trial.hold(Flow("warm-up", "w"), 1)
    theirs = [trial.submit(ALICE) for _ in range(64)]
    assert refused(theirs) == 32
    trial.doors.open()


def test_slow_answers_of_one_share_leave_threads_to_others() -> None:
    """However many of them wait, only so many run at once."""
    trial = Trial(threads=4, max_running=3)
    hers = [trial.submit(ALICE) for _ in range(4)]
    until(lambda: trial.doors.begun == ["alice"] * 3)
    his = trial.submit(BOB)
    until(lambda: "bob" in trial.doors.begun)
    assert trial.doors.begun.count("alice") == 3
    trial.doors.open()
    assert [one.result(10) for one in (*hers, his)] == ["alice"] * 4 + ["bob"]


def test_who_waits_too_long_is_refused_while_all_threads_are_held_up() -> None:
    """The API server gives up on us after five seconds, so an answer must not begin late."""
    doors = Doors()
    queue: FairQueue[str] = FairQueue(threads=1, max_wait=0.05)
    held = queue.submit(ALICE, lambda: doors.work("held"))
    until(lambda: doors.begun == ["held"])
    late = [queue.submit(flow, lambda: doors.work("late")) for flow in (ALICE, BOB)]
    for one in late:
        with pytest.raises(QueueRejected):
            one.result(10)
    doors.open()
    assert held.result(10) == "held"
    assert doors.begun == ["held"]


def test_what_work_raises_reaches_its_caller() -> None:
    """And the thread goes on."""
    queue: FairQueue[str] = FairQueue(threads=1)

    def bad() -> str:
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        queue.submit(ALICE, bad).result(10)
    assert queue.submit(ALICE, lambda: "good").result(10) == "good"


SHARES = st.builds(Flow, st.sampled_from("abc"), st.sampled_from(["", "x", "y", "z"]))


# Each example leaves three idle threads. It waits for other threads, so its time depends on the machine's load.
@settings(max_examples=25, deadline=None)
@given(st.lists(SHARES, max_size=40), st.integers(1, 12))
def test_every_answer_is_finished_or_refused_once_and_nothing_is_kept(flows: list[Flow], most: int) -> None:
    """Whatever comes in whatever order; afterwards the queue remembers no user and no namespace."""
    queue: FairQueue[Flow] = FairQueue(threads=2, max_running=1, max_waiting=most, max_wait=LONG)
    futures = [queue.submit(flow, lambda flow=flow: flow) for flow in flows]  # type: ignore[misc]  # a default binds it
    for flow, future in zip(flows, futures, strict=True):
        assert isinstance(future.exception(10), QueueRejected) or future.result() is flow
    until(lambda: not (queue._waiting or queue._running or queue._start_tags or queue._queues))


def test_policy_files_have_a_queue_of_their_own() -> None:
    """However many of them wait, a Pod does not wait for them."""
    queues, doors = ReviewQueues(), Doors()
    reply = HttpReply(200, b"")

    def slow() -> HttpReply:
        doors.work("file")
        return reply

    files = [queues.submit(Flow(f"user-{number}", "", is_policy_file=True), slow) for number in range(100)]
    assert queues.submit(BOB, lambda: reply).result(10) is reply
    until(lambda: sum(one.done() for one in files) >= 95 and doors.begun)
    assert doors.begun == ["file"]
    doors.open()


@pytest.mark.parametrize(
    ("user", "flows"),
    [
        ("jane", 1),
        ("system:serviceaccount:shop:deployer", 1),
        ("system:serviceaccount:kube-system:replicaset-controller", 2),
        ("system:kube-controller-manager", 2),
    ],
)
def test_kubernetes_controllers_count_apart_in_each_namespace(user: str, flows: int) -> None:
    """They act for everybody: the Pods of one namespace must not take their places from another."""
    requests = [
        decode(encoded(pod(GOOD), namespace=space, userInfo={"username": user, "groups": []})) for space in ("a", "b")
    ]
    assert len({flow_of(one).user for one in requests}) == flows
    assert {flow_of(one).namespace for one in requests} == {"a", "b"}


def test_a_policy_file_is_known_as_one() -> None:
    """By its name; no other ConfigMap reaches us."""
    assert flow_of(decode(encoded(POLICY_FILE))).is_policy_file
    assert not flow_of(decode(encoded(pod(GOOD)))).is_policy_file
