"""Add the path of an unreadable value to the error about it."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def within(path: str) -> Iterator[None]:
    """Prefix the message of a ValueError with a path; a UnicodeError passes unchanged."""
    try:
        yield
    except UnicodeError:
        raise
    except ValueError as bad:
        raise ValueError(f"{path}: {bad}") from None
