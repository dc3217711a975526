"""Half lines: what a full disk or a crash leaves, as long as a writer owns up to it."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from webhook.audit.chain import Fragment, fragment
from webhook.audit.finding import Place

# Of all half lines together: more than this is no accident.
MOST_KEPT: Final = 1 << 24
# That are tried on a text which is none of them alone: as many processes as can write half a line at one moment, and some more.
MOST_CLAIMS: Final = 16


class Loose(NamedTuple):
    """Text that is no record."""

    place: Place
    text: bytes
    fragment: Fragment


class Claim(NamedTuple):
    """A record that owns up to a half line."""

    place: Place
    chain: str
    seq: int
    fragment: Fragment


class Fragments:
    """The half lines and empty lines of a log, and the records that own up to them.

    Who wrote half a line ends it before the next record. Where others have written behind it meanwhile, their line stands behind
    the half one, and an empty line before that next record.
    """

    def __init__(self) -> None:
        self._loose: list[Loose] = []
        self._kept = 0
        self._claims: list[Claim] = []
        self._owned: list[tuple[bytes, str]] = []  # by which chain
        self._joints: list[tuple[Place, str]] = []  # records without a line end, by their chains
        self._empty: list[Place] = []
        self._explained = 0  # how many empty lines there ought to be

    def add(self, place: Place, text: bytes) -> bool:
        """Keep a half line; false where there are too many already."""
        if self._kept + len(text) > MOST_KEPT:
            return False
        self._loose.append(Loose(place, text, fragment(text)))
        self._kept += len(text)
        return True

    def joined(self, place: Place, chains: Sequence[str | None]) -> None:
        """Remember a line of several pieces: of which chain each one is, None for a half line."""
        self._joints += [(place, chain) for chain in chains[:-1] if chain is not None]
        self._explained += len(chains) - 1

    def empty(self, place: Place) -> None:
        """Remember an empty line."""
        self._empty.append(place)

    def own(self, claim: Claim) -> None:
        """Remember that a record owns up to a half line, or to a line end alone."""
        if not claim.fragment.bytes:
            index = next((index for index, (_, chain) in enumerate(self._joints) if chain == claim.chain), None)
            if index is None:
                self._explained += 1
            else:
                del self._joints[index]
            return
        index = next((index for index, loose in enumerate(self._loose) if loose.fragment == claim.fragment), None)
        if index is None:
            self._claims.append(claim)
            return
        self._owned.append((self._loose.pop(index).text, claim.chain))

    def left(self) -> tuple[list[Loose], list[Claim], list[Place]]:
        """What nobody owns up to, what is owned up to and not there, and where line ends are missing or too many."""
        if len(self._claims) <= MOST_CLAIMS:
            self._loose = [loose for loose in self._loose if not self._divide(loose.text)]
        missing = [claim for claim in self._claims if not self._is_owned(claim)]
        return self._loose, missing, [*(place for place, _ in self._joints), *self._empty[self._explained :]]

    def _divide(self, text: bytes) -> bool:
        """Whether a text is half lines one behind the other, each with a claim; takes these."""
        parts = next(divided(text, self._claims), None)
        if parts is None:
            return False
        for claim in parts:
            self._claims.remove(claim)
        self._owned += [(text, claim.chain) for claim in parts]
        self._explained += len(parts) - 1
        return True

    def _is_owned(self, claim: Claim) -> bool:
        """Whether somebody else owned up to it as well: a process that opened the file meanwhile."""
        size = claim.fragment.bytes
        others = (text for text, chain in self._owned if chain != claim.chain)
        found = any(claim.fragment in {fragment(text[:size]), fragment(text[-size:])} for text in others)
        self._explained += found
        return found


def divided(text: bytes, claims: Sequence[Claim]) -> Iterator[list[Claim]]:
    """Every way to make a text of half lines that records own up to, no two of one chain, as it would have ended the first."""
    if not text:
        yield []
    for claim in claims:
        size = claim.fragment.bytes
        if size <= len(text) and fragment(text[:size]) == claim.fragment:
            for rest in divided(text[size:], [other for other in claims if other.chain != claim.chain]):
                yield [claim, *rest]
