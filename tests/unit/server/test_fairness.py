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
from webhook.server.fairness import AnswerQueues, FairQueue, NoPlace, Share, share_of
from webhook.server.intake import Reply

ALICE, BOB = Share("alice", "a"), Share("bob", "b")
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

    def __init__(self, *, threads: int = 1, most_running: int = 1000, most_waiting: int = 8) -> None:
        self.doors = Doors()
        self.queue: FairQueue[str] = FairQueue(
            threads=threads, most_running=most_running, most_waiting=most_waiting, longest_wait=LONG
        )

    def hold(self, share: Share, count: int) -> None:
        """Occupy threads."""
        before = len(self.doors.begun)
        for _ in range(count):
            self.submit(share, "held")
        until(lambda: len(self.doors.begun) == before + count)

    def submit(self, share: Share, name: str = "") -> "Future[str]":
        """One answer."""
        label = name or share.user
        return self.queue.submit(share, lambda: self.doors.work(label))


def refused(futures: "list[Future[str]]") -> int:
    """How many found no place, or lost theirs, so far."""
    return sum(one.done() and isinstance(one.exception(), NoPlace) for one in futures)


def test_a_burst_delays_its_own_caller_alone() -> None:
    """Bob comes after six of Alice's and is served after one of hers."""
    trial = Trial()
    trial.hold(Share("warm-up", "w"), 1)
    hers = [trial.submit(ALICE) for _ in range(4)]
    his = trial.submit(BOB)
    trial.doors.open()
    assert his.result(10) == "bob"
    assert [one.result(10) for one in hers] == ["alice"] * 4
    assert trial.doors.begun.index("bob") <= 2


def test_two_bursts_are_served_in_turns() -> None:
    """Whatever order they came in."""
    trial = Trial(most_waiting=16)
    trial.hold(Share("warm-up", "w"), 1)
    futures = [trial.submit(share) for share in (ALICE, BOB) for _ in range(5)]
    trial.doors.open()
    assert [one.result(10) for one in futures]
    order = trial.doors.begun[1:]
    assert all({*order[place : place + 2]} == {"alice", "bob"} for place in range(0, 10, 2))


@pytest.mark.parametrize(
    "crowd",
    [
        [Share("alice", "a")] * 300,
        [Share(f"account-{number}", "a") for number in range(300)],  # accounts that one namespace's editor makes
        [Share("alice", f"space-{number}") for number in range(300)],  # one user in all namespaces
    ],
    ids=["one user, one namespace", "many users, one namespace", "one user, many namespaces"],
)
def test_a_full_queue_has_a_place_for_others(crowd: list[Share]) -> None:
    """The longest share gives up a place; those of others are never touched."""
    trial = Trial(most_waiting=64)
    trial.hold(Share("warm-up", "w"), 1)
    theirs = [trial.submit(share) for share in crowd]
    others = [trial.submit(Share(f"user-{number}", f"home-{number}")) for number in range(32)]
    more = [trial.submit(share) for share in crowd]
    assert refused(others) == 0
    assert refused(theirs) + refused(more) >= 600 - 32
    trial.doors.open()
    assert [one.result(10) for one in others] == [f"user-{number}" for number in range(32)]


def test_one_share_never_fills_the_queue() -> None:
    """Half of it at most, also where nobody else waits."""
    trial = Trial(most_waiting=64)
    trial.hold(Share("warm-up", "w"), 1)
    theirs = [trial.submit(ALICE) for _ in range(64)]
    assert refused(theirs) == 32
    trial.doors.open()


def test_slow_answers_of_one_share_leave_threads_to_others() -> None:
    """However many of them wait, only so many run at once."""
    trial = Trial(threads=4, most_running=3)
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
    queue: FairQueue[str] = FairQueue(threads=1, longest_wait=0.05)
    held = queue.submit(ALICE, lambda: doors.work("held"))
    until(lambda: doors.begun == ["held"])
    late = [queue.submit(share, lambda: doors.work("late")) for share in (ALICE, BOB)]
    for one in late:
        with pytest.raises(NoPlace):
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


SHARES = st.builds(Share, st.sampled_from("abc"), st.sampled_from(["", "x", "y", "z"]))


# Each example leaves three idle threads. It waits for other threads, so its time depends on the machine's load.
@settings(max_examples=25, deadline=None)
@given(st.lists(SHARES, max_size=40), st.integers(1, 12))
def test_every_answer_is_finished_or_refused_once_and_nothing_is_kept(shares: list[Share], most: int) -> None:
    """Whatever comes in whatever order; afterwards the queue remembers no user and no namespace."""
    queue: FairQueue[Share] = FairQueue(threads=2, most_running=1, most_waiting=most, longest_wait=LONG)
    futures = [queue.submit(share, lambda share=share: share) for share in shares]  # type: ignore[misc]  # a default binds it
    for share, future in zip(shares, futures, strict=True):
        assert isinstance(future.exception(10), NoPlace) or future.result() is share
    until(lambda: not (queue._waiting or queue._running or queue._turns or queue._flows))


def test_policy_files_have_a_queue_of_their_own() -> None:
    """However many of them wait, a Pod does not wait for them."""
    queues, doors = AnswerQueues(), Doors()
    reply = Reply(200, b"")

    def slow() -> Reply:
        doors.work("file")
        return reply

    files = [queues.submit(Share(f"user-{number}", "", policy_file=True), slow) for number in range(100)]
    assert queues.submit(BOB, lambda: reply).result(10) is reply
    until(lambda: sum(one.done() for one in files) >= 95 and doors.begun)
    assert doors.begun == ["file"]
    doors.open()


@pytest.mark.parametrize(
    ("user", "shares"),
    [
        ("jane", 1),
        ("system:serviceaccount:shop:deployer", 1),
        ("system:serviceaccount:kube-system:replicaset-controller", 2),
        ("system:kube-controller-manager", 2),
    ],
)
def test_kubernetes_controllers_count_apart_in_each_namespace(user: str, shares: int) -> None:
    """They act for everybody: the Pods of one namespace must not take their places from another."""
    requests = [
        decode(encoded(pod(GOOD), namespace=space, userInfo={"username": user, "groups": []})) for space in ("a", "b")
    ]
    assert len({share_of(one).user for one in requests}) == shares
    assert {share_of(one).namespace for one in requests} == {"a", "b"}


def test_a_policy_file_is_known_as_one() -> None:
    """By its name; no other ConfigMap reaches us."""
    assert share_of(decode(encoded(POLICY_FILE))).policy_file
    assert not share_of(decode(encoded(pod(GOOD)))).policy_file
