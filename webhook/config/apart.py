"""Read policy files; a separate process reads the large ones.

A large file takes up to a second of one core, in Python code. A thread that reads it would hand the interpreter over to
the event loop and to the request threads about a thousand times. On a busy machine each handover costs milliseconds.
The process starts at the first large file. It ends after a minute without a file.
"""

import atexit
import logging
import os
import pickle
import select
import subprocess
import sys
from functools import lru_cache
from struct import Struct as Packed
from threading import Lock
from time import monotonic
from typing import IO, Final

from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded, parse

logger = logging.getLogger(__name__)

# Reading a file of this size takes 20 ms at most. Handing it over costs more on a busy machine.
SMALL: Final = 1 << 14
# A file may take a second of a core. The process may have to start first, and the machine may be busy.
LONGEST_SECONDS: Final = 60.0
KEPT: Final = 4  # good files that were read recently; each may take a megabyte
LENGTH: Final = Packed("!Q")
PIECE: Final = 1 << 16
COMMAND: Final = (sys.executable, "-m", "webhook.config.reader")


class ReadingTooSlowError(Exception):
    """The time limit passed before a policy file was read; the message gives the limit or the reason."""


class ReaderGoneError(Exception):
    """The process ended before it answered."""


class Reader:
    """Send policy files to the reading process, one at a time; threads may share one object."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    def read(self, text: str, seconds: float) -> Loaded:
        """Return the policy in `text`.

        Raises BadPolicy with every fault, ReadingTooSlowError, and OSError if no process can start.
        """
        until = monotonic() + seconds
        if not self._lock.acquire(timeout=max(0.0, seconds)):
            raise ReadingTooSlowError(f"within {seconds:.1f} s, because another file is being read")
        try:
            try:
                found = self._asked(text, until)
            except (ReaderGoneError, BrokenPipeError):  # the process ended after a minute without a file
                self.stop()
                found = self._asked(text, until)
        except BaseException:
            self.stop()
            raise
        finally:
            self._lock.release()
        if isinstance(found, Loaded):
            return found
        raise BadPolicy(found)

    def stop(self) -> None:
        """Kill the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _asked(self, text: str, until: float) -> Loaded | tuple[PolicyFault, ...]:
        if self._owner != os.getpid():  # after a fork the process belongs to the parent
            self._process, self._owner = None, os.getpid()
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 (this interpreter, with a module of catflap)
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        content = text.encode("utf-8", "surrogatepass")
        process.stdin.write(LENGTH.pack(len(content)) + content)
        process.stdin.flush()
        [length] = LENGTH.unpack(received(process.stdout, LENGTH.size, until))
        answer: Loaded | tuple[PolicyFault, ...] = pickle.loads(received(process.stdout, length, until))  # noqa: S301 (written by webhook.config.reader)
        return answer


def received(stream: IO[bytes], length: int, until: float) -> bytes:
    """Return `length` bytes from the process.  Raises ReaderGoneError, ReadingTooSlowError."""
    found, waiting = bytearray(), select.poll()
    waiting.register(stream, select.POLLIN)
    while len(found) < length:
        left = until - monotonic()
        if left <= 0 or not waiting.poll(1000 * left):
            raise ReadingTooSlowError("in the available time")
        if not (piece := os.read(stream.fileno(), min(PIECE, length - len(found)))):
            raise ReaderGoneError
        found += piece
    return bytes(found)


READER: Final = Reader()
atexit.register(READER.stop)


def load(text: str, seconds: float = LONGEST_SECONDS) -> Loaded:
    """Return the policy in `text`; several uses of one good text share one reading.

    Raises BadPolicy with every fault, and ReadingTooSlowError if reading takes more than `seconds`.
    """
    return _KEPT.load(text, seconds)


class Kept:
    """Keep the last good policies by their texts.

    The review of a policy file, the preview of its effects and its activation need the same policy.
    """

    def __init__(self) -> None:
        self._small = lru_cache(maxsize=KEPT)(parse)
        self._large: dict[str, Loaded] = {}
        self._lock = Lock()

    def load(self, text: str, seconds: float) -> Loaded:
        """Return the policy in `text`, as the module's `load` does."""
        if len(text) <= SMALL:
            return self._small(text)
        with self._lock:
            if found := self._large.get(text):
                return found
        try:
            found = READER.read(text, seconds)
        except OSError:
            logger.exception("the policy file is read in this process, because no separate process can be started")
            found = parse(text)
        with self._lock:
            self._large[text] = found
            while len(self._large) > KEPT:
                del self._large[next(iter(self._large))]
        return found


_KEPT: Final = Kept()
