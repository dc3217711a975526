"""Settings of glibc's malloc, so that freed memory returns to the operating system."""

import ctypes
from typing import Final

# The parameters of mallopt, from glibc's malloc.h. Other C libraries do not have this function and do not need it.
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8
# Blocks of this size or more get pages of their own, which return to the system when the block is freed. glibc also begins with such a
# limit, but raises it to the size of the first block that is freed. uvloop has a buffer of 256 KiB for each TLS connection and uses a
# few pages of it. In reused memory, all pages of the buffer would count for the process.
LARGE_BLOCK_BYTES: Final = 32 * 1024
ARENAS: Final = 2
# So many closed connections leave some megabytes of free memory between used blocks. malloc_trim returns them in some milliseconds.
CONNECTIONS_PER_TRIM: Final = 200


class MemoryTrimmer:
    """Returns free memory to the system each time that CONNECTIONS_PER_TRIM connections were closed."""

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._trimmed = 0

    def trim_if_due(self, closed: int) -> None:
        """Trim where enough connections were closed since the last time; `closed` is their total number."""
        if self._trim is not None and closed - self._trimmed >= CONNECTIONS_PER_TRIM:
            self._trimmed = closed
            self._trim(0)


def configure_malloc() -> None:
    """Make freed memory return to the system; does nothing where the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in (
            (MMAP_THRESHOLD, LARGE_BLOCK_BYTES),
            (TRIM_THRESHOLD, LARGE_BLOCK_BYTES),
            (ARENA_MAX, ARENAS),
        ):
            mallopt(parameter, value)
