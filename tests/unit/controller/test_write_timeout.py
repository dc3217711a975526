"""Tests the timeout of a write."""

from webhook.controller.write_timeout import LONG_TIMEOUT_SECONDS, WriteTimeout
from webhook.kube.api import LONG_SECONDS, Api, ApiError
from webhook.model.timeouts import LOOKUP_SECONDS


class Waiting(Api):
    """Connections that only report their timeout."""

    def __init__(self, seconds: float = LOOKUP_SECONDS) -> None:
        self.seconds = seconds

    def with_long_timeout(self) -> "Waiting":
        """Return connections with a longer timeout."""
        return Waiting(LONG_SECONDS)


def seconds(write_timeout: WriteTimeout) -> float:
    """Return the timeout of the next write."""
    assert isinstance(write_timeout.api, Waiting)
    return write_timeout.api.seconds


def test_only_a_write_without_an_answer_makes_the_next_ones_patient() -> None:
    """The longer timeout holds for a while; a rejected write was answered in time."""
    now = [0.0]
    write_timeout = WriteTimeout(Waiting(), clock=lambda: now[0])
    for status in (400, 403, 409, 429, 500, 503):
        write_timeout.record_failure(ApiError(status, "refused"))
    assert seconds(write_timeout) == LOOKUP_SECONDS
    write_timeout.record_failure(ApiError(0, "read timed out"))
    assert seconds(write_timeout) == LONG_SECONDS
    now[0] = LONG_TIMEOUT_SECONDS - 1.0
    write_timeout.record_failure(ApiError(0, "read timed out"))
    now[0] += LONG_TIMEOUT_SECONDS - 1.0
    assert seconds(write_timeout) == LONG_SECONDS
    now[0] += 1.0
    assert seconds(write_timeout) == LOOKUP_SECONDS
