"""Where in an object something is that cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def within(path: str) -> Iterator[None]:
    """Put a path before what a ValueError says; what is no text passes as it is."""
    try:
        yield
    except UnicodeError:
        raise
    except ValueError as bad:
        raise ValueError(f"{path}: {bad}") from None
