"""Clocks that tests control."""


class Clock:
    """A clock that shows a constant time until a test changes it."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds
