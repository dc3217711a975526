"""Query Go's regular expressions through a small program."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.controlplane.modules import PATTERNS
from tests.controlplane.progress import Progress
from tests.controlplane.session import Needed
from tests.controlplane.tools import program
from tests.oracles.conversation import Conversation

ANSWER_SECONDS: Final = 10.0  # a thousand times what it takes


@dataclass(frozen=True, kw_only=True)
class Matching:
    """The result of a regular expression in Go: whether each value matches, or the error."""

    matches: tuple[bool, ...]
    error: str


class PatternOracle(Conversation):
    """The running program."""

    def __init__(self, executable: Path) -> None:
        super().__init__([executable], seconds=ANSWER_SECONDS)

    def match(self, pattern: str, values: Sequence[str]) -> Matching:
        """Try a regular expression on each of the values."""
        answer = self.ask({"pattern": pattern, "values": list(values)})
        return Matching(matches=tuple(answer["matches"]), error=answer["error"])


def build(progress: Progress) -> Path:
    """Return the program; build it if needed.  Raises `Unavailable`."""
    return program(PATTERNS, "patterns", progress)


MATCHER: Final = Needed(fixture="patterns", called="Go matcher", make=build)
