"""How the C library keeps memory that was freed."""

import ctypes
from typing import Final

# mallopt's parameters, of glibc's malloc.h; other C libraries have no such function, and no such habit.
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
# What is as large as this lives in pages of its own, which go back when it is freed. glibc begins so as well, but raises the limit to
# the size of the first block that it frees. uvloop keeps a buffer of 256 KiB for each TLS connection, of which a few pages are used:
# taken from memory that others used before, all of it would count.
LARGE_BLOCK_BYTES: Final = 32 * 1024
ARENAS: Final = 2
# So many connections that were closed leave some megabytes between what is still in use; to give these back takes some milliseconds.
CONNECTIONS_PER_TRIM: Final = 200


class MemoryTrimmer:
    """Gives the memory of closed connections back, each time that many were closed."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._trimmed = 0

    def trim_if_due(self, closed: int) -> None:
        """Give it back where enough were closed since; `closed` is their number so far."""
        if self._trim is not None and closed - self._trimmed >= CONNECTIONS_PER_TRIM:
            self._trimmed = closed
            self._trim(0)


def configure_malloc() -> None:
    """Have this process give memory back that it does not use any more; does nothing where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in (
            (MMAP_THRESHOLD, LARGE_BLOCK_BYTES),
            (TRIM_THRESHOLD, LARGE_BLOCK_BYTES),
            (ARENA_MAX, ARENAS),
        ):
            mallopt(parameter, value)
