"""Query Calico's own selector parser (libcalico-go, lib/selector) through a small program."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.controlplane.modules import SELECTORS
from tests.controlplane.progress import Progress
from tests.controlplane.session import Needed
from tests.controlplane.tools import program
from tests.oracles.conversation import Conversation

ANSWER_SECONDS: Final = 10.0  # a thousand times what it takes


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Calico's result for a selector: its canonical text, and whether each label set matches; or the error."""

    canonical: str
    matches: tuple[bool, ...]
    error: str

    @property
    def is_selector(self) -> bool:
        """Return whether Calico accepts the selector."""
        return not self.error


class SelectorOracle(Conversation):
    """The running program."""

    def __init__(self, executable: Path) -> None:
        super().__init__([executable], seconds=ANSWER_SECONDS)

    def read(self, selector: str, labels: Iterable[Mapping[str, str]] = ()) -> Reading:
        """Parse a selector and try it on each of the label sets."""
        answer = self.ask({"selector": selector, "labels": [dict(one) for one in labels]})
        return Reading(canonical=answer["canonical"], matches=tuple(answer["matches"]), error=answer["error"])

    def matches(self, selector: str, labels: Mapping[str, str]) -> bool:
        """Return whether a selector matches one label set; raises ValueError for an invalid selector."""
        reading = self.read(selector, [labels])
        if not reading.is_selector:
            raise ValueError(f"Calico takes no {selector!r}: {reading.error}")
        return reading.matches[0]


def build(progress: Progress) -> Path:
    """Return the program; build it if needed.  Raises `Unavailable`."""
    return program(SELECTORS, "calico-selectors", progress)


PARSER: Final = Needed(fixture="selectors", called="Calico parser", make=build)
