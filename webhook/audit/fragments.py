"""Half lines: what a full disk or a crash leaves, as long as a writer owns up to it."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from webhook.audit.chain import Fragment, fragment
from webhook.audit.finding import Place

# Kept until somebody owns up to it: more than this at a time is no accident.
MOST_KEPT: Final = 1 << 24


class Loose(NamedTuple):
    """Text that is no record."""

    place: Place
    text: bytes


class Fragments:
    """The half lines and empty lines seen so far that nobody has owned up to."""

    def __init__(self) -> None:
        self._loose: list[Loose] = []
        self._kept = 0
        self._joints: list[tuple[Place, str]] = []  # records without a line end, by their chains
        self._empty: list[Place] = []
        self._expected_empty = 0  # who wrote half a line ends it before the next record, also where others have done so
        self._owned: set[Fragment] = set()

    def add(self, place: Place, text: bytes) -> bool:
        """Keep a half line; false where there are too many already."""
        if self._kept + len(text) > MOST_KEPT:
            return False
        self._loose.append(Loose(place, text))
        self._kept += len(text)
        return True

    def joined(self, place: Place, chains: Iterable[str | None]) -> None:
        """Remember a line of several pieces: of which chain each one is, None for a half line."""
        *before, _ = chains
        self._joints += [(place, chain) for chain in before if chain is not None]
        self._expected_empty += len(before)

    def empty(self, place: Place) -> None:
        """Remember an empty line."""
        if self._expected_empty:
            self._expected_empty -= 1
        else:
            self._empty.append(place)

    def own(self, chain: str, torn: Iterable[Fragment]) -> Iterator[Fragment]:
        """Take what a record owns up to as explained; gives what is not there."""
        for one in torn:
            if not one.bytes:
                self._joints = without_first(self._joints, chain)
                self._explain_empty()
            elif self._take(one):
                self._owned.add(one)
            elif one in self._owned:  # a process that opened the file meanwhile was first
                self._explain_empty()
            else:
                yield one

    def left(self) -> tuple[list[Loose], list[Place]]:
        """What nobody has owned up to: half lines, and places where a line end is missing or too many."""
        return self._loose, [*(place for place, _ in self._joints), *self._empty]

    def _explain_empty(self) -> None:
        if self._empty:
            self._empty.pop()

    def _take(self, one: Fragment) -> bool:
        """Take a half line out; two that stand side by side are one piece of text."""
        for index, (place, text) in enumerate(self._loose):
            size = one.bytes
            if len(text) < size:
                continue
            if fragment(text[:size]) == one:
                rest = text[size:]
            elif fragment(text[-size:]) == one:
                rest = text[:-size]
            else:
                continue
            self._loose[index : index + 1] = [Loose(place, rest)] if rest else []
            self._kept -= size
            return True
        return False


def without_first(joints: list[tuple[Place, str]], chain: str) -> list[tuple[Place, str]]:
    """The joints without the first one of a chain."""
    index = next((index for index, (_, found) in enumerate(joints) if found == chain), len(joints))
    return joints[:index] + joints[index + 1 :]
