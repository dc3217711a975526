"""Talk with a program that answers each line of JSON with one line of JSON."""

import json
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO, Any, Final, NoReturn, Self

GOODBYE_SECONDS: Final = 5.0
LAST_WORDS: Final = 2000  # bytes of standard error that a message shows


class Lost(Exception):  # noqa: N818 -- reads as what it is
    """The program ended, or did not answer in time; the message has the end of its standard error."""


class Conversation:
    """One running program.  It ends with its input, so it ends with this object and with this process.

    A program that once did not answer gets no more questions: its late answer would count as the next one.
    """

    def __init__(self, argv: Sequence[str | Path], *, seconds: float) -> None:
        self._seconds = seconds
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the conversation
        # A group of its own, so that Ctrl-C reaches the tests alone.
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, process_group=0
        )
        assert self._process.stdin
        assert self._process.stdout
        self._questions: IO[bytes] = self._process.stdin
        self._answers: SimpleQueue[bytes] = SimpleQueue()
        self._reader = threading.Thread(target=_collect, args=(self._process.stdout, self._answers), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, question: object) -> Any:
        """Send a question and return its answer; raises `Lost`."""
        if self._questions.closed:
            raise Lost("this conversation is over")
        with suppress(BrokenPipeError):  # it has ended: the empty answer says so
            self._questions.write(json.dumps(question).encode() + b"\n")
            self._questions.flush()
        try:
            answer = self._answers.get(timeout=self._seconds)
        except Empty:
            self._end(f"no answer within {self._seconds:g} s")
        if not answer.endswith(b"\n"):
            self._end("ended")
        return json.loads(answer)

    def close(self) -> None:
        """End the program: by the end of its input, and by force if that is not enough."""
        with suppress(BrokenPipeError):
            self._questions.close()
        try:
            self._process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._errors.close()

    def _end(self, what: str) -> NoReturn:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read()[-LAST_WORDS:].decode(errors="replace").strip()
        self.close()
        raise Lost(f"{what}: {said}" if said else what)


def _collect(answers: IO[bytes], into: "SimpleQueue[bytes]") -> None:
    with answers:
        for line in answers:
            into.put(line)
    into.put(b"")
