"""Wait for a condition of a cluster, with an error that names the condition."""

import time
from collections.abc import Callable
from typing import Final

TIMEOUT_SECONDS: Final = 60.0  # ten times what the slowest thing here takes on two busy cores
PAUSE_SECONDS: Final = 0.05


def wait_until(happened: Callable[[], bool], *, what: str, seconds: float = TIMEOUT_SECONDS) -> None:
    """Return once `happened()` is true; `what` completes the sentence "waited 60 s for"."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(PAUSE_SECONDS)
