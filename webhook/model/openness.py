"""What is wrong with what a user's policy opens, as faults that stay few and short whatever the policy's size."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from webhook.model.accumulation import together
from webhook.model.coverage import Judging
from webhook.model.opening import Opening, Peers
from webhook.model.traffic import Direction
from webhook.model.violation import Fault

MOST_FAULTS: Final = 10  # of each kind that are described; the rest is one fault with their count
BEYOND: Final = "no flow of the policy file does; one has to be written there first"


def opening_faults(openings: Sequence[Opening], judging: Judging) -> Iterator[Fault]:
    """Yield what is wrong with the openings of one object."""
    if not openings or judging.is_exempt(openings[0]):
        return
    wide, beyond, narrow = sorted_out(openings, judging)
    describing = Describing(openings[0])
    for kind in (wide, beyond):
        yield from describing.faults(kind)
    for direction in Direction:
        some = [one for one in narrow if one.direction is direction]
        if reason := together(((one.ports, one.peers.networks) for one in some), judging.cluster):
            yield describing.sum_of(some, reason)


class Wrong(NamedTuple):
    """A rule, those of its peers that are wrong, and what is wrong with them."""

    opening: Opening
    peers: Peers
    says: str


def sorted_out(openings: Iterable[Opening], judging: Judging) -> tuple[list[Wrong], list[Wrong], list[Opening]]:
    """Return which rules open to nobody in particular, which are beyond the flows, and which have a few networks."""
    wide, beyond, narrow = [], [], []
    for opening in openings:
        if (peers := judging.uncovered(opening)) is None:
            continue
        nobody, reason = judging.wide(opening, peers)
        if nobody:
            wide.append(Wrong(opening, nobody, f"that means {reason}; say whom it is for"))
        if judging.has_flows and (rest := peers.without(nobody)):
            beyond.append(Wrong(opening, rest, BEYOND))
        if peers.networks and not (nobody and nobody.networks):
            narrow.append(opening)
    return wide, beyond, narrow


class Describing:
    """Faults of one object's openings, whose subject is the same in each."""

    def __init__(self, first: Opening) -> None:
        self._subject = digest(first.subject)
        self._pods = first.subject_text

    def faults(self, found: Sequence[Wrong]) -> Iterator[Fault]:
        """Yield the first faults of a kind, and one that counts the rest."""
        for one in found[:MOST_FAULTS]:
            way = f"{self._way(one.opening)} {one.peers} on {one.opening.ports}"
            yield Fault(one.opening.path, f"it opens the way {way}: {one.says}", parts=tuple(self._parts(one)))
        if rest := found[MOST_FAULTS:]:
            more = "1 more rule opens a way" if len(rest) == 1 else f"{len(rest)} more rules open ways"
            parts = tuple(part for one in rest for part in self._parts(one))
            yield Fault(rest[0].opening.path, f"from here on, {more}: {rest[0].says}", parts=parts)

    def sum_of(self, found: Sequence[Opening], reason: str) -> Fault:
        """Return the fault of rules that are too much together."""
        message = (
            f"its rules together open the way {self._way(found[0])} networks that are {reason}; say whom it is for"
        )
        return Fault(
            f"spec.{found[0].direction.lower()}",
            message,
            parts=tuple(digest((self._subject, one.direction, one.ports, one.peers.networks)) for one in found),
        )

    def _way(self, opening: Opening) -> str:
        """Return which way a rule opens, up to its peers."""
        return f"to {self._pods} from" if opening.direction is Direction.INGRESS else f"from {self._pods} to"

    def _parts(self, found: Wrong) -> Iterator[str]:
        """Yield what a fault consists of, which tells two apart that have the same cut message."""
        common = digest((self._subject, found.opening.direction, found.opening.ports, found.says))
        peers = found.peers
        for one in (*peers.selected, *peers.named):
            yield f"{common} {digest(one)}"
        if peers.networks:
            yield f"{common} {digest(peers.networks)}"
        if peers.everybody:
            yield common


def digest(found: object) -> str:
    """Return a short text that differs where a value does."""
    return blake2b(repr(found).encode(), digest_size=8).hexdigest()
