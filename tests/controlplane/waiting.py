"""Wait for what a cluster does in its own time, and say what was waited for when it does not."""

import time
from collections.abc import Callable
from typing import Final

PATIENCE_SECONDS: Final = 60.0  # ten times what the slowest thing here takes on two busy cores
PAUSE_SECONDS: Final = 0.05


def wait_until(happened: Callable[[], bool], *, what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Return once `happened()` is true; `what` completes the sentence "waited 60 s for"."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(PAUSE_SECONDS)
