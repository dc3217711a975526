"""How long one write may take."""

from webhook.controller.haste import SLOW_SECONDS, Haste
from webhook.kube.api import LONG_SECONDS, TIMEOUT_SECONDS, Api, ApiError


class Waiting(Api):
    """Connections that only say how long they wait."""

    def __init__(self, seconds: float = TIMEOUT_SECONDS) -> None:
        self.seconds = seconds

    def with_long_timeout(self) -> "Waiting":
        """Others, which wait longer."""
        return Waiting(LONG_SECONDS)


def seconds(haste: Haste) -> float:
    """How long the next write waits."""
    assert isinstance(haste.api, Waiting)
    return haste.api.seconds


def test_only_a_write_without_an_answer_makes_the_next_ones_patient() -> None:
    """For a while; what was refused was answered in time."""
    now = [0.0]
    haste = Haste(Waiting(), clock=lambda: now[0])
    for status in (400, 403, 409, 429, 500, 503):
        haste.failed(ApiError(status, "refused"))
    assert seconds(haste) == TIMEOUT_SECONDS
    haste.failed(ApiError(0, "read timed out"))
    assert seconds(haste) == LONG_SECONDS
    now[0] = SLOW_SECONDS - 1.0
    haste.failed(ApiError(0, "read timed out"))
    now[0] += SLOW_SECONDS - 1.0
    assert seconds(haste) == LONG_SECONDS
    now[0] += 1.0
    assert seconds(haste) == TIMEOUT_SECONDS
