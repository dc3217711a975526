"""Tests which namespaces are handled, and when."""

import threading

import pytest

from tests.clocks import Clock
from webhook.controller.work_queue import FIRST, FIRST_DELAY_SECONDS, LAST, LONGEST_DELAY_SECONDS, WorkQueue

PATIENCE = 10.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the queue's clock."""
    clock = Clock()
    monkeypatch.setattr("webhook.controller.work_queue.monotonic", clock)
    return clock


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:  # noqa: ARG001 (it must exist first)
    """Return an empty queue with that clock."""
    return WorkQueue()


def due(queue: WorkQueue) -> list[str]:
    """Take and finish every key that is due now."""
    found = []
    while queue._next_due() == 0.0:
        key = queue._pop()
        if key is not None:
            found.append(key)
    return found


def test_a_key_added_again_is_looked_at_once(queue: WorkQueue) -> None:
    """The number of events does not matter."""
    for _ in range(1000):
        queue.add("a")
    assert len(queue._heap) == 1
    assert due(queue) == ["a"]


def test_what_is_first_comes_before_all_that_is_due(queue: WorkQueue) -> None:
    """It passes keys that have waited, also if it waited itself."""
    for name in ("a", "b", "urgent"):
        queue.add(name)
    queue.add("urgent", after=FIRST)
    assert due(queue) == ["urgent", "a", "b"]


def test_what_is_last_comes_behind_all_that_is_due(queue: WorkQueue, clock: Clock) -> None:
    """Keys that arrive later pass it as well, and the last keys keep their order."""
    for name in ("b", "a", "c"):
        queue.add(name, after=LAST)
    queue.add("retried", after=1.0)
    queue.add("new")
    clock.seconds += 1.0
    assert due(queue) == ["new", "retried", "b", "a", "c"]


def test_what_is_last_is_brought_forward_by_an_event(queue: WorkQueue) -> None:
    """It is handled once at once, and when added again it is last again."""
    for name in ("a", "b"):
        queue.add(name, after=LAST)
    queue.add("b")
    assert queue._pop() == "b"
    queue.add("b", after=LAST)
    assert due(queue) == ["a", "b"]
    assert queue._next_due() is None


def test_what_is_last_does_not_put_off_what_is_due(queue: WorkQueue) -> None:
    """The earlier time counts here as well."""
    queue.add("a")
    queue.add("a", after=LAST)
    queue.add("b", after=LAST)
    assert due(queue) == ["a", "b"]


def test_what_is_asked_for_last_while_it_is_worked_on_comes_back(queue: WorkQueue) -> None:
    """It is handled after the current work, and the keys bound the memory."""
    queue.add("a")
    assert queue.take() == "a"
    for _ in range(10):
        queue.add("a", after=LAST)
        assert due(queue) == []
    queue.done("a")
    assert due(queue) == ["a"]
    assert (queue._due, list(queue._last), queue._heap) == ({}, [], [])


def test_keys_come_in_the_order_of_their_times(queue: WorkQueue, clock: Clock) -> None:
    """The order of addition does not matter."""
    queue.add("later", after=2.0)
    queue.add("sooner", after=1.0)
    queue.add("now")
    assert due(queue) == ["now"]
    clock.seconds += 2.0
    assert due(queue) == ["sooner", "later"]


@pytest.mark.parametrize("times", [(5.0, 1.0), (1.0, 5.0)], ids=["moved forward", "not put off"])
def test_the_earliest_time_counts(queue: WorkQueue, clock: Clock, times: tuple[float, float]) -> None:
    """The later time is dropped."""
    for after in times:
        queue.add("a", after=after)
    assert due(queue) == []
    clock.seconds += 1.0
    assert due(queue) == ["a"]
    clock.seconds += 10.0
    assert due(queue) == []


class TestFailures:
    """A key that failed becomes due again."""

    @staticmethod
    def delay(queue: WorkQueue, clock: Clock, key: str = "a") -> float:
        """Return the delay of a key that fails now; the clock advances until it is due."""
        assert queue.take() == key
        queue.done(key, failed=True)
        delay = queue._due[key] - clock.seconds
        clock.seconds = queue._due[key]
        return delay

    def test_its_delay_doubles_up_to_a_minute(self, queue: WorkQueue, clock: Clock) -> None:
        """So a cluster in trouble does not receive a request per moment."""
        queue.add("a")
        delays = [self.delay(queue, clock) for _ in range(12)]
        assert delays == pytest.approx([min(FIRST_DELAY_SECONDS * 2**n, LONGEST_DELAY_SECONDS) for n in range(12)])
        assert delays[-1] == pytest.approx(LONGEST_DELAY_SECONDS)

    def test_a_success_forgets_the_failures(self, queue: WorkQueue, clock: Clock) -> None:
        """The next failure has the first delay again."""
        queue.add("a")
        for _ in range(5):
            self.delay(queue, clock)
        assert queue.take() == "a"
        queue.done("a")
        assert queue._failures == {}
        queue.add("a")
        assert self.delay(queue, clock) == pytest.approx(FIRST_DELAY_SECONDS)

    def test_it_delays_no_other_key(self, queue: WorkQueue, clock: Clock) -> None:
        """Each key has its own backoff."""
        queue.add("a")
        for _ in range(8):
            self.delay(queue, clock)
        assert queue.take() == "a"
        queue.done("a", failed=True)
        queue.add("b")
        assert queue.take() == "b"

    def test_an_event_brings_it_forward(self, queue: WorkQueue, clock: Clock) -> None:
        """The cause of the failure may have been fixed."""
        queue.add("a")
        for _ in range(8):
            self.delay(queue, clock)
        assert queue.take() == "a"
        queue.done("a", failed=True)
        queue.add("a")
        assert due(queue) == ["a"]

    def test_a_thousand_failures_overflow_nothing(self, queue: WorkQueue, clock: Clock) -> None:
        """Two to the power of that count would overflow."""
        queue.add("a")
        for _ in range(1500):
            last = self.delay(queue, clock)
        assert last == pytest.approx(LONGEST_DELAY_SECONDS)
        assert len(queue._heap) < 5


class TestWorkers:
    """Several workers, one key each."""

    def test_a_key_is_with_one_worker_at_a_time(self, queue: WorkQueue) -> None:
        """An event during the work waits until the work is done."""
        queue.add("a")
        assert queue.take() == "a"
        queue.add("a")
        assert due(queue) == []
        queue.done("a")
        assert queue.take() == "a"

    def test_an_event_while_it_is_worked_on_survives_a_failure(self, queue: WorkQueue) -> None:
        """The event does not shorten the delay."""
        queue.add("a")
        assert queue.take() == "a"
        queue.add("a")
        queue.done("a", failed=True)
        assert queue.take() == "a"

    def test_a_key_that_was_not_added_again_is_done(self, queue: WorkQueue, clock: Clock) -> None:
        """No state is left."""
        queue.add("a")
        assert queue.take() == "a"
        queue.done("a")
        clock.seconds += 1000.0
        assert due(queue) == []
        assert queue._due == {}
        assert queue._busy == set()

    def test_other_keys_are_handled_meanwhile(self, queue: WorkQueue) -> None:
        """A slow namespace delays no other one."""
        for key in "aba":
            queue.add(key)
        assert {queue.take(), queue.take()} == {"a", "b"}

    def test_a_waiting_worker_gets_what_comes(self) -> None:
        """Workers run with a real clock."""
        queue = WorkQueue()
        taken: list[str | None] = []
        worker = threading.Thread(target=lambda: taken.append(queue.take()))
        worker.start()
        queue.add("a", after=0.05)
        worker.join(PATIENCE)
        assert taken == ["a"]

    def test_no_key_is_lost_between_many_workers(self) -> None:
        """Workers run with a real clock; each key is handled after its last event."""
        queue = WorkQueue()
        seen: dict[str, int] = {}
        wanted = {f"key-{number}": 30 for number in range(20)}
        latest: dict[str, int] = {}
        finished = threading.Event()

        def work() -> None:
            while (key := queue.take()) is not None:
                seen[key] = latest[key]
                queue.done(key, failed=seen[key] % 7 == 3)
                if seen == wanted:
                    finished.set()

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for number in range(31):
            for key in wanted:
                latest[key] = number
                queue.add(key)
        assert finished.wait(PATIENCE)
        queue.close()
        for worker in workers:
            worker.join(PATIENCE)
        assert not any(worker.is_alive() for worker in workers)

    def test_closing_lets_every_worker_go(self) -> None:
        """Workers that wait without a timeout end as well."""
        queue = WorkQueue()
        taken: list[str | None] = []
        workers = [threading.Thread(target=lambda: taken.append(queue.take())) for _ in range(3)]
        for worker in workers:
            worker.start()
        queue.close()
        for worker in workers:
            worker.join(PATIENCE)
        assert taken == [None, None, None]
        assert queue.take() is None


def test_depth_counts_what_is_due_and_what_is_handled(queue: WorkQueue, clock: Clock) -> None:
    """A key that waits for a retry is no backlog, and one that is added while it is handled counts once."""
    for key, after in (("now", FIRST), ("first", 0.0), ("last", LAST), ("later", 5.0)):
        queue.add(key, after=after)
    assert queue.depth == 3
    assert queue.take() == "now"
    queue.add("now")
    assert queue.depth == 3
    queue.done("now")
    assert queue.depth == 3
    assert queue.take() in {"now", "first"}
    assert queue.take() in {"now", "first"}
    queue.done("first")
    queue.done("now", failed=True)
    assert queue.depth == 1
    clock.seconds += FIRST_DELAY_SECONDS
    assert queue.depth == 2
    clock.seconds += 5.0
    assert queue.depth == 3
