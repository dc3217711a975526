"""How long the controller waits for one write of a policy: briefly, until a write had no answer in that time."""

from collections.abc import Callable
from time import monotonic
from typing import Final

from webhook.kube.api import Api, ApiError

NO_ANSWER: Final = 0
# Another webhook in front of our policies may take up to 30 s (admissionregistration.k8s.io/v1, timeoutSeconds), and the API server
# drops a write whose client has gone. After this long without such a write a short wait is tried again.
SLOW_SECONDS: Final = 300.0


class Haste:
    """The connections for the next write; safe to share between threads.

    A short wait finds out soon that an API server does not answer any more. It would never store anything where each write takes longer.
    """

    def __init__(self, api: Api, *, clock: Callable[[], float] = monotonic) -> None:
        self._api = api
        self._clock = clock
        self._slow_until = float("-inf")

    @property
    def api(self) -> Api:
        """Connections that wait as long as writes take at the moment."""
        return self._api.with_long_timeout() if self._clock() < self._slow_until else self._api

    def failed(self, error: ApiError) -> None:
        """A write failed; one that had no answer may have needed more time."""
        if error.status == NO_ANSWER:
            self._slow_until = self._clock() + SLOW_SECONDS
