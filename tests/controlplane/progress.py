"""Say that a build is alive: the first one takes ten minutes, and silence for that long looks like a hang."""

import time
from typing import Final, TextIO

TERMINAL_PAUSE: Final = 0.2  # seconds between two writings of one line: smooth, and no load
LOG_PAUSE: Final = 30.0  # seconds between two lines in a file: a CI log of a cold build stays under 40 lines
CLEAR_LINE: Final = "\r\x1b[K"


class Progress:
    """One rewritten line on a terminal, a plain line every half minute elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._pause = TERMINAL_PAUSE if self._terminal else LOG_PAUSE
        self._next = 0.0

    def show(self, text: str) -> None:
        """Report where the work is, unless that was said a moment ago."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._pause
        self._write(f"{CLEAR_LINE}{text}" if self._terminal else f"{text}\n")

    def finish(self, text: str) -> None:
        """Report the end of a step, always, and leave the line standing."""
        self._next = 0.0
        self._write(f"{CLEAR_LINE}{text}\n" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def clock(seconds: float) -> str:
    """Write a duration as a person reads it: `1m05s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02}s"
