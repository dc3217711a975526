"""Adapts the timeout of policy writes: short, until a write had no answer in that time."""

from collections.abc import Callable
from time import monotonic
from typing import Final

from webhook.kube.api import Api, ApiError

NO_ANSWER: Final = 0
# Another webhook for these policies may take up to 30 s (admissionregistration.k8s.io/v1, timeoutSeconds), and the
# API server drops a write whose client disconnects. If no write was that slow for this long, the short timeout is
# tried again.
LONG_TIMEOUT_SECONDS: Final = 300.0


class WriteTimeout:
    """Selects the connections for the next write; thread-safe.

    A short timeout soon detects an API server that does not answer. With it alone, nothing would be stored if each
    write takes longer.
    """

    def __init__(self, api: Api, *, clock: Callable[[], float] = monotonic) -> None:
        self._api = api
        self._clock = clock
        self._long_timeout_until = float("-inf")

    @property
    def api(self) -> Api:
        """Return connections with the current timeout."""
        return self._api.with_long_timeout() if self._clock() < self._long_timeout_until else self._api

    def record_failure(self, error: ApiError) -> None:
        """Record a failed write; if it had no answer, it may have needed more time."""
        if error.status == NO_ANSWER:
            self._long_timeout_until = self._clock() + LONG_TIMEOUT_SECONDS
