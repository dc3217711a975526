"""The work queue of the controller: each key at most once, each with its own backoff."""

import heapq
from collections import OrderedDict
from math import inf
from threading import Condition
from time import monotonic

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 60.0
FIRST = -inf
LAST = inf


class WorkQueue:
    """Keys with a due time. One worker at a time handles a key, and its failures delay no other key.

    The number of keys bounds the memory: a key that is added again keeps its earlier due time.
    """

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._last: OrderedDict[str, None] = OrderedDict()
        self._busy: set[str] = set()
        self._failures: dict[str, int] = {}
        self._changed = Condition()
        self._closed = False

    def add(self, key: str, *, after: float = 0.0) -> None:
        """Schedule `key` in `after` seconds, unless it is due earlier already.

        `after=FIRST` puts it before all due keys, `after=LAST` behind all of them.
        """
        with self._changed:
            self._schedule(key, monotonic() + after)

    @property
    def depth(self) -> int:
        """Return the number of keys that are due or being handled, without those that wait for a later time."""
        with self._changed:
            now = monotonic()
            due = {key for key, when in self._due.items() if when <= now or when == LAST}
            return len(due | self._busy)

    def take(self) -> str | None:
        """Wait for the next due key and return it; return None once the queue is closed."""
        with self._changed:
            while not self._closed:
                key = self._pop()
                if key is not None:
                    self._busy.add(key)
                    return key
                self._changed.wait(self._next_due())
            return None

    def done(self, key: str, *, failed: bool = False) -> None:
        """Finish the work on `key`; after a failure it is due again, after a delay that doubles each time."""
        with self._changed:
            self._busy.discard(key)
            if failed:
                count = self._failures[key] = self._failures.get(key, 0) + 1
                self._schedule(
                    key, monotonic() + min(FIRST_DELAY_SECONDS * 2 ** min(count - 1, 20), LONGEST_DELAY_SECONDS)
                )
            else:
                self._failures.pop(key, None)
            if key in self._due:  # it was added while a worker handled it
                self._enqueue(key)
            self._changed.notify()

    def close(self) -> None:
        """Release every worker."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _schedule(self, key: str, due: float) -> None:
        if key not in self._due or due < self._due[key]:
            self._due[key] = due
            self._enqueue(key)
            self._changed.notify_all()  # a single notified worker may be busy when the key is due

    def _enqueue(self, key: str) -> None:
        if (due := self._due[key]) == LAST:
            self._last[key] = None
        else:
            heapq.heappush(self._heap, (due, key))

    def _pop(self) -> str | None:
        while self._next_due() == 0.0:
            if self._heap and self._heap[0][0] <= monotonic():
                due, key = heapq.heappop(self._heap)
            else:
                due, (key, _) = LAST, self._last.popitem(last=False)
            if self._due.get(key) == due and key not in self._busy:
                del self._due[key]
                return key
        return None

    def _next_due(self) -> float | None:
        if self._last:
            return 0.0
        return max(0.0, self._heap[0][0] - monotonic()) if self._heap else None
