"""Conversations with a program that ends, or that stops answering."""

import sys
import time

import pytest

from tests.oracles.conversation import Conversation, Lost

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
DIES = "import sys\nsys.stdin.readline()\nsys.exit('out of ideas')"
HALF = "import sys\nsys.stdin.readline()\nprint('{', end='', flush=True)"
SILENT = "import sys, time\nsys.stdin.readline()\ntime.sleep(600)"


def talk(program: str, seconds: float = 10.0) -> Conversation:
    """A conversation with a few lines of Python."""
    return Conversation([sys.executable, "-I", "-S", "-c", program], seconds=seconds)


def test_each_question_has_its_answer() -> None:
    """In order, with whatever characters."""
    with talk(ECHO) as echo:
        assert [echo.ask(one) for one in ({"a": [1]}, "é\n\0", None)] == [{"a": [1]}, "é\n\0", None]


@pytest.mark.parametrize("program", [DIES, HALF], ids=["no answer", "half an answer"])
def test_a_program_that_ends_is_lost(program: str) -> None:
    """It gets no more questions."""
    with talk(program) as lost:
        with pytest.raises(Lost, match=r"^ended(: out of ideas)?$"):
            lost.ask(1)
        with pytest.raises(Lost, match="over"):
            lost.ask(2)


def test_a_silent_program_is_given_up() -> None:
    """The program is ended after the timeout."""
    begun = time.monotonic()
    with talk(SILENT, seconds=0.2) as silent, pytest.raises(Lost, match=r"^no answer within 0\.2 s$"):
        silent.ask(1)
    assert time.monotonic() - begun < 5


def test_a_program_is_ended_with_the_conversation() -> None:
    """This holds even for a program that no longer reads its input."""
    with talk(ECHO) as echo:
        process = echo._process
        assert process.poll() is None
    assert process.poll() == 0
