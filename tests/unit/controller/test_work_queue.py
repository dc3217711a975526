"""Which namespaces are to be looked at, and when."""

import threading

import pytest

from tests.clocks import Clock
from webhook.controller.work_queue import FIRST, FIRST_DELAY_SECONDS, LAST, LONGEST_DELAY_SECONDS, WorkQueue

PATIENCE = 10.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The queue's clock."""
    clock = Clock()
    monkeypatch.setattr("webhook.controller.work_queue.monotonic", clock)
    return clock


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:  # noqa: ARG001 (it is to be there first)
    """An empty queue on that clock."""
    return WorkQueue()


def due(queue: WorkQueue) -> list[str]:
    """Every key that is due now, taken and done."""
    found = []
    while queue._next_due() == 0.0:
        key = queue._pop()
        if key is not None:
            found.append(key)
    return found


def test_a_key_added_again_is_looked_at_once(queue: WorkQueue) -> None:
    """However many events there were."""
    for _ in range(1000):
        queue.add("a")
    assert len(queue._heap) == 1
    assert due(queue) == ["a"]


def test_what_is_first_comes_before_all_that_is_due(queue: WorkQueue) -> None:
    """However long that has waited, and even if it waited itself."""
    for name in ("a", "b", "urgent"):
        queue.add(name)
    queue.add("urgent", after=FIRST)
    assert due(queue) == ["urgent", "a", "b"]


def test_what_is_last_comes_behind_all_that_is_due(queue: WorkQueue, clock: Clock) -> None:
    """Also behind what came later, and in the order in which it was asked for."""
    for name in ("b", "a", "c"):
        queue.add(name, after=LAST)
    queue.add("retried", after=1.0)
    queue.add("new")
    clock.seconds += 1.0
    assert due(queue) == ["new", "retried", "b", "a", "c"]


def test_what_is_last_is_brought_forward_by_an_event(queue: WorkQueue) -> None:
    """And then looked at once; asked for again, it is last again."""
    for name in ("a", "b"):
        queue.add(name, after=LAST)
    queue.add("b")
    assert queue._pop() == "b"
    queue.add("b", after=LAST)
    assert due(queue) == ["a", "b"]
    assert queue._next_due() is None


def test_what_is_last_does_not_put_off_what_is_due(queue: WorkQueue) -> None:
    """The earlier time counts, here too."""
    queue.add("a")
    queue.add("a", after=LAST)
    queue.add("b", after=LAST)
    assert due(queue) == ["a", "b"]


def test_what_is_asked_for_last_while_it_is_worked_on_comes_back(queue: WorkQueue) -> None:
    """Once that is done, and memory is bounded by the keys."""
    queue.add("a")
    assert queue.take() == "a"
    for _ in range(10):
        queue.add("a", after=LAST)
        assert due(queue) == []
    queue.done("a")
    assert due(queue) == ["a"]
    assert (queue._due, list(queue._last), queue._heap) == ({}, [], [])


def test_keys_come_in_the_order_of_their_times(queue: WorkQueue, clock: Clock) -> None:
    """Not in the order in which they were added."""
    queue.add("later", after=2.0)
    queue.add("sooner", after=1.0)
    queue.add("now")
    assert due(queue) == ["now"]
    clock.seconds += 2.0
    assert due(queue) == ["sooner", "later"]


@pytest.mark.parametrize("times", [(5.0, 1.0), (1.0, 5.0)], ids=["moved forward", "not put off"])
def test_the_earliest_time_counts(queue: WorkQueue, clock: Clock, times: tuple[float, float]) -> None:
    """And the later one is forgotten."""
    for after in times:
        queue.add("a", after=after)
    assert due(queue) == []
    clock.seconds += 1.0
    assert due(queue) == ["a"]
    clock.seconds += 10.0
    assert due(queue) == []


class TestFailures:
    """A key that failed comes back."""

    @staticmethod
    def delay(queue: WorkQueue, clock: Clock, key: str = "a") -> float:
        """How long a key that fails now is put off; the clock goes on until it is due."""
        assert queue.take() == key
        queue.done(key, failed=True)
        delay = queue._due[key] - clock.seconds
        clock.seconds = queue._due[key]
        return delay

    def test_its_delay_doubles_up_to_a_minute(self, queue: WorkQueue, clock: Clock) -> None:
        """So that a cluster in trouble is not hammered."""
        queue.add("a")
        delays = [self.delay(queue, clock) for _ in range(12)]
        assert delays == pytest.approx([min(FIRST_DELAY_SECONDS * 2**n, LONGEST_DELAY_SECONDS) for n in range(12)])
        assert delays[-1] == pytest.approx(LONGEST_DELAY_SECONDS)

    def test_a_success_forgets_the_failures(self, queue: WorkQueue, clock: Clock) -> None:
        """The next one is put off as little as the first."""
        queue.add("a")
        for _ in range(5):
            self.delay(queue, clock)
        assert queue.take() == "a"
        queue.done("a")
        assert queue._failures == {}
        queue.add("a")
        assert self.delay(queue, clock) == pytest.approx(FIRST_DELAY_SECONDS)

    def test_it_delays_no_other_key(self, queue: WorkQueue, clock: Clock) -> None:
        """Each has its own back-off."""
        queue.add("a")
        for _ in range(8):
            self.delay(queue, clock)
        assert queue.take() == "a"
        queue.done("a", failed=True)
        queue.add("b")
        assert queue.take() == "b"

    def test_an_event_brings_it_forward(self, queue: WorkQueue, clock: Clock) -> None:
        """What failed may have been mended."""
        queue.add("a")
        for _ in range(8):
            self.delay(queue, clock)
        assert queue.take() == "a"
        queue.done("a", failed=True)
        queue.add("a")
        assert due(queue) == ["a"]

    def test_a_thousand_failures_overflow_nothing(self, queue: WorkQueue, clock: Clock) -> None:
        """Two to their power would."""
        queue.add("a")
        for _ in range(1500):
            last = self.delay(queue, clock)
        assert last == pytest.approx(LONGEST_DELAY_SECONDS)
        assert len(queue._heap) < 5


class TestWorkers:
    """Several workers, one key each."""

    def test_a_key_is_with_one_worker_at_a_time(self, queue: WorkQueue) -> None:
        """An event while it is worked on waits until that is done."""
        queue.add("a")
        assert queue.take() == "a"
        queue.add("a")
        assert due(queue) == []
        queue.done("a")
        assert queue.take() == "a"

    def test_an_event_while_it_is_worked_on_survives_a_failure(self, queue: WorkQueue) -> None:
        """And is not put off by it."""
        queue.add("a")
        assert queue.take() == "a"
        queue.add("a")
        queue.done("a", failed=True)
        assert queue.take() == "a"

    def test_a_key_that_was_not_added_again_is_done(self, queue: WorkQueue, clock: Clock) -> None:
        """Nothing is left of it."""
        queue.add("a")
        assert queue.take() == "a"
        queue.done("a")
        clock.seconds += 1000.0
        assert due(queue) == []
        assert queue._due == {}
        assert queue._busy == set()

    def test_other_keys_go_on_meanwhile(self, queue: WorkQueue) -> None:
        """A slow namespace holds up none."""
        for key in "aba":
            queue.add(key)
        assert {queue.take(), queue.take()} == {"a", "b"}

    def test_a_waiting_worker_gets_what_comes(self) -> None:
        """On a clock that runs."""
        queue = WorkQueue()
        taken: list[str | None] = []
        worker = threading.Thread(target=lambda: taken.append(queue.take()))
        worker.start()
        queue.add("a", after=0.05)
        worker.join(PATIENCE)
        assert taken == ["a"]

    def test_no_key_is_lost_between_many_workers(self) -> None:
        """On a clock that runs; each key's last event is worked on after it came."""
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
        """Also those that wait for nothing."""
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
