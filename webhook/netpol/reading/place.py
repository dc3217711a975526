"""Where in an object something is that cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from webhook.model.abbreviation import listed

MOST_NAMED: Final = 5  # parts that cannot be read, in one message


@contextmanager
def within(path: str) -> Iterator[None]:
    """Put a path before what a ValueError says; what is no text passes as it is."""
    try:
        yield
    except UnicodeError:
        raise
    except ValueError as bad:
        raise ValueError(f"{path}: {bad}") from None


class Unread:
    """What of several parts cannot be read: each is tried, so that one message names them all."""

    def __init__(self) -> None:
        self._messages: list[str] = []

    @contextmanager
    def within(self, path: str = "") -> Iterator[None]:
        """Keep what a ValueError says of one part, with its path; what is no text passes as it is."""
        try:
            yield
        except UnicodeError:
            raise
        except ValueError as bad:
            self._messages.append(f"{path}: {bad}" if path else str(bad))

    def complain(self) -> None:
        """Raise ValueError where a part cannot be read."""
        if self._messages:
            raise ValueError(listed(self._messages, MOST_NAMED, joint="; "))
