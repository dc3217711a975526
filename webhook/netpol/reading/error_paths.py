"""Add the path of an unreadable value to the error about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from webhook.model.abbreviation import listed

MOST_NAMED: Final = 5  # parts that cannot be read, in one message


@contextmanager
def prefix_errors(path: str) -> Iterator[None]:
    """Prefix the message of a ValueError with a path; a UnicodeError passes unchanged."""
    try:
        yield
    except UnicodeError:
        raise
    except ValueError as bad:
        raise ValueError(f"{path}: {bad}") from None


class UnreadableParts:
    """The errors of several parts of an object, so that one message names them all."""

    def __init__(self) -> None:
        self._messages: list[str] = []

    @contextmanager
    def collect_errors(self, path: str = "") -> Iterator[None]:
        """Keep the message of a ValueError about one part, with its path; a UnicodeError passes unchanged."""
        try:
            yield
        except UnicodeError:
            raise
        except ValueError as bad:
            self._messages.append(f"{path}: {bad}" if path else str(bad))

    def raise_collected(self) -> None:
        """Raise ValueError if a part could not be read."""
        if self._messages:
            raise ValueError(listed(self._messages, MOST_NAMED, joint="; "))
