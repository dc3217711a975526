"""Calico's own selector parser (libcalico-go, lib/selector), behind a program of ours that only passes on what it says."""

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
    """What Calico makes of a selector: its own way to write it, and which label sets it matches; or what is wrong."""

    canonical: str
    matches: tuple[bool, ...]
    error: str

    @property
    def is_selector(self) -> bool:
        """Whether Calico takes it at all."""
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
        """Whether one label set is selected; raises ValueError for what is no selector."""
        reading = self.read(selector, [labels])
        if not reading.is_selector:
            raise ValueError(f"Calico takes no {selector!r}: {reading.error}")
        return reading.matches[0]


def build(progress: Progress) -> Path:
    """The program, built if need be; raises `Unavailable`."""
    return program(SELECTORS, "calico-selectors", progress)


PARSER: Final = Needed(fixture="selectors", called="Calico parser", make=build)
