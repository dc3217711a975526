"""The folder in which what took long to make outlives checkouts, and the lock under which something is put there."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.controlplane.golang import Unavailable
from tests.controlplane.progress import Progress, clock

KEY_LENGTH: Final = 16  # hex digits: 64 bits, far beyond a chance meeting of a few cache entries
LOCK_PAUSE_SECONDS: Final = 0.5


def cache_root() -> Path:
    """Return the cache folder, which checkouts share."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "catflap" / "controlplane"


@contextmanager
def locked(progress: Progress) -> Iterator[Path]:
    """Yield the cache to one builder at a time; raises `Unavailable` if it cannot be locked."""
    root = cache_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"a folder for the build: {error}") from error
    started = time.monotonic()
    with (root / "lock").open("w") as lock:
        while not _lock(lock.fileno()):
            progress.show(f"waiting for another session's build: {clock(time.monotonic() - started)}")
            time.sleep(LOCK_PAUSE_SECONDS)
        yield root


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
