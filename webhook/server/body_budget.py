"""The byte budget of request bodies, shared by all connections."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from webhook.server.limits import MAX_TOTAL_BODY_BYTES, MAX_UNTRUSTED_BODY_BYTES


class BodyReservation:
    """The bytes of one body, held until its request is answered."""

    __slots__ = ("drop", "is_dropped", "is_trusted", "size")

    def __init__(self, *, is_trusted: bool, drop: Callable[[], object]) -> None:
        self.size = 0
        self.is_trusted = is_trusted
        self.is_dropped = False
        self.drop = drop


class BodyBudget:
    """Limits the total bytes of all bodies; thread-safe.

    Bodies of untrusted connections have a smaller limit. Where a limit is exceeded, the largest incomplete untrusted body is dropped,
    so a small review is received while others send large ones.
    """

    def __init__(
        self, *, max_bytes: int = MAX_TOTAL_BODY_BYTES, max_untrusted_bytes: int = MAX_UNTRUSTED_BODY_BYTES
    ) -> None:
        self._max_bytes = max_bytes
        self._max_untrusted_bytes = max_untrusted_bytes
        self._lock = Lock()
        self._unfinished: set[BodyReservation] = set()  # of untrusted connections
        self._total = 0
        self._untrusted_total = 0

    @property
    def total(self) -> int:
        """Return the bytes that are held now."""
        return self._total

    @contextmanager
    def reserve(self, *, is_trusted: bool, drop: Callable[[], object]) -> Iterator[BodyReservation]:
        """Hold the bytes of a body until the end of the block; `drop` is called where the body is dropped."""
        body = BodyReservation(is_trusted=is_trusted, drop=drop)
        if not is_trusted:
            with self._lock:
                self._unfinished.add(body)
        try:
            yield body
        finally:
            with self._lock:
                self._remove(body)

    def grow(self, body: BodyReservation, size: int) -> bool:
        """Add `size` bytes to a body; return False where the budget is used up, or where the body was dropped."""
        with self._lock:
            if body.is_dropped:
                return False
            self._count(body, size)
            while self._is_over(body):
                if (largest := max(self._unfinished, key=lambda one: one.size, default=None)) is None:
                    body.is_dropped = True
                else:
                    self._drop(largest)
                if body.is_dropped:
                    self._remove(body)
                    return False
            return True

    def shrink(self, body: BodyReservation, size: int) -> None:
        """Release all but `size` bytes of a body."""
        with self._lock:
            if not body.is_dropped and body.size > size:
                self._count(body, size - body.size)

    def finish(self, body: BodyReservation) -> None:
        """Mark a body as complete; it is no longer dropped for others."""
        with self._lock:
            self._unfinished.discard(body)

    def _is_over(self, body: BodyReservation) -> bool:
        over = self._total > self._max_bytes
        return over if body.is_trusted else over or self._untrusted_total > self._max_untrusted_bytes

    def _drop(self, body: BodyReservation) -> None:
        body.is_dropped = True
        self._remove(body)
        body.drop()

    def _remove(self, body: BodyReservation) -> None:
        self._unfinished.discard(body)
        self._count(body, -body.size)

    def _count(self, body: BodyReservation, size: int) -> None:
        body.size += size
        self._total += size
        if not body.is_trusted:
            self._untrusted_total += size
