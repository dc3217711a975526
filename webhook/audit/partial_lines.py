"""Match half lines, which a full disk or a crash leaves, with the records that list them."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from webhook.audit.chain import Fragment, fragment_of
from webhook.audit.findings import LinePosition

# The limit for all half lines together, including the memory that each one needs. An accident does not exceed it.
MOST_BYTES: Final = 1 << 24
ENTRY_OVERHEAD: Final = 512
# The most claims that are tried on a text that no single claim matches: more than the processes that can write half a
# line at the same moment.
MOST_CLAIMS: Final = 16
# The most bytes that are hashed to match texts with claims. Texts beyond it stay unexplained. A crash never leaves
# nearly as much.
MOST_HASHED: Final = 1 << 26
HASH_OVERHEAD: Final = 256  # the cost of a hash without data
# The most empty lines whose places are remembered.
MOST_EMPTY_LINES: Final = 10_000


class UnclaimedText(NamedTuple):
    """Text that is no record."""

    place: LinePosition
    text: bytes


class PartialLineClaim(NamedTuple):
    """A record that lists a half line."""

    place: LinePosition
    chain: str
    seq: int
    fragment: Fragment


class PartialLines:
    """The half lines and empty lines of a log, and the records that list them.

    The writer of a half line ends it before its next record. If other processes write after the half line before that,
    their line follows the half line directly, and an empty line precedes that next record.
    """

    def __init__(self) -> None:
        self._unclaimed: dict[Fragment, deque[UnclaimedText]] = defaultdict(deque)
        self._bytes = 0
        self._claims: list[PartialLineClaim] = []
        self._matched: list[tuple[bytes, str]] = []  # the claims, each with its chain
        self._missing_line_ends: dict[str, deque[LinePosition]] = defaultdict(
            deque
        )  # records without a line end, by chain
        self._empty: list[LinePosition] = []
        self._empty_count = 0
        self._last_empty: LinePosition | None = None
        self._expected_empty = 0  # how many empty lines are expected
        self._hash_budget = MOST_HASHED

    def add(self, place: LinePosition, text: bytes) -> bool:
        """Keep a half line; return false if there are too many already."""
        needed = len(text) + ENTRY_OVERHEAD
        if self._bytes + needed > MOST_BYTES:
            return False
        self._unclaimed[fragment_of(text)].append(UnclaimedText(place, text))
        self._bytes += needed
        return True

    def add_joined(self, place: LinePosition, chains: Sequence[str | None]) -> None:
        """Remember a line of several pieces: the chain of each piece, or None for a half line."""
        for chain in chains[:-1]:
            if chain is not None:
                self._missing_line_ends[chain].append(place)
        self._expected_empty += len(chains) - 1

    def add_empty(self, place: LinePosition) -> None:
        """Remember an empty line."""
        self._empty_count, self._last_empty = self._empty_count + 1, place
        if len(self._empty) < MOST_EMPTY_LINES:
            self._empty.append(place)

    def add_claim(self, claim: PartialLineClaim) -> None:
        """Remember that a record lists a half line or only a line end."""
        if not claim.fragment.bytes:
            if places := self._missing_line_ends.get(claim.chain):
                places.popleft()
            else:
                self._expected_empty += 1
        elif texts := self._unclaimed.get(claim.fragment):
            self._matched.append((texts.popleft().text, claim.chain))
        else:
            self._claims.append(claim)

    def unmatched(self) -> tuple[list[UnclaimedText], list[PartialLineClaim], list[LinePosition]]:
        """Return half lines without a claim, claims without a half line, and places of missing or extra line ends."""
        unclaimed = [one for found in self._unclaimed.values() for one in found]
        if len(self._claims) <= MOST_CLAIMS:
            unclaimed = [one for one in unclaimed if not self._match_claims(one.text)]
        missing = [claim for claim in self._claims if not self._is_part_of_matched(claim)]
        ends = [
            *(place for places in self._missing_line_ends.values() for place in places),
            *self._empty[self._expected_empty :],
        ]
        if self._last_empty is not None and self._empty_count > max(self._expected_empty, len(self._empty)):
            ends.append(self._last_empty)
        return unclaimed, missing, ends

    def _match_claims(self, text: bytes) -> bool:
        """Return whether a text consists of half lines that each have a claim; remove these claims."""
        parts = next(self._compositions(text, self._claims), None)
        if parts is None:
            return False
        for claim in parts:
            self._claims.remove(claim)
        self._matched += [(text, claim.chain) for claim in parts]
        self._expected_empty += len(parts) - 1
        return True

    def _compositions(self, text: bytes, claims: Sequence[PartialLineClaim]) -> Iterator[list[PartialLineClaim]]:
        """Yield every way to compose a text from claims of different chains: a chain ends its first half line."""
        if not text:
            yield []
        for claim in claims:
            size = claim.fragment.bytes
            if size <= len(text) and self._matches(text[:size], claim):
                for rest in self._compositions(text[size:], [other for other in claims if other.chain != claim.chain]):
                    yield [claim, *rest]

    def _is_part_of_matched(self, claim: PartialLineClaim) -> bool:
        """Return whether another process, which opened the file in the meantime, lists the half line as well."""
        size = claim.fragment.bytes
        others = (text for text, chain in self._matched if chain != claim.chain and len(text) >= size)
        found = any(self._matches(part, claim) for text in others for part in (text[:size], text[-size:]))
        self._expected_empty += found
        return found

    def _matches(self, text: bytes, claim: PartialLineClaim) -> bool:
        """Return whether a text matches a claim, within the limit of bytes to hash."""
        self._hash_budget -= len(text) + HASH_OVERHEAD
        return self._hash_budget >= 0 and fragment_of(text) == claim.fragment
