"""Findings about the traffic that a user's policy allows; few and short for policies of any size."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from webhook.model.combined_networks import reason_too_large_together
from webhook.model.opening import Opening, Peers
from webhook.model.opening_check import OpeningCheck
from webhook.model.rule import RuleFinding
from webhook.model.traffic import Direction

MAX_DESCRIBED: Final = 10  # of each kind that are described; the rest is one finding with a count
BEYOND_FLOWS: Final = "no flow of the policy file allows this; add a flow to the policy file first"


def opening_faults(openings: Sequence[Opening], check: OpeningCheck) -> Iterator[RuleFinding]:
    """Yield the findings about the openings of one object."""
    if not openings or check.is_exempt(openings[0]):
        return
    wide, beyond, narrow = classified(openings, check)
    writer = FaultWriter(openings[0])
    for kind in (wide, beyond):
        yield from writer.faults(kind)
    for direction in Direction:
        some = [one for one in narrow if one.direction is direction]
        if reason := reason_too_large_together(((one.ports, one.peers.networks) for one in some), check.cluster):
            yield writer.combined_finding(some, reason)


class OpeningIssue(NamedTuple):
    """A rule, its invalid peers, and the reason."""

    opening: Opening
    peers: Peers
    says: str


def classified(
    openings: Iterable[Opening], check: OpeningCheck
) -> tuple[list[OpeningIssue], list[OpeningIssue], list[Opening]]:
    """Return the rules that are too broad, those that no flow covers, and those with a few networks."""
    wide, beyond, narrow = [], [], []
    for opening in openings:
        if (peers := check.uncovered(opening)) is None:
            continue
        broad, reason = check.too_broad(opening, peers)
        if broad:
            wide.append(OpeningIssue(opening, broad, f"the peers {reason}; select particular peers"))
        if check.has_flows and (rest := peers.without(broad)):
            beyond.append(OpeningIssue(opening, rest, BEYOND_FLOWS))
        if peers.networks and not (broad and broad.networks):
            narrow.append(opening)
    return wide, beyond, narrow


class FaultWriter:
    """The writer of findings about one object, whose openings all have the same subject."""

    def __init__(self, first: Opening) -> None:
        self._subject = digest(first.subject)
        self._pods = first.subject_text

    def faults(self, found: Sequence[OpeningIssue]) -> Iterator[RuleFinding]:
        """Yield the first findings of a kind, and one that counts the rest."""
        for one in found[:MAX_DESCRIBED]:
            way = f"{self._way(one.opening)} {one.peers} on {one.opening.ports}"
            yield RuleFinding(
                one.opening.path, f"the rule allows connections {way}: {one.says}", parts=tuple(self._parts(one))
            )
        if rest := found[MAX_DESCRIBED:]:
            more = "1 more rule allows connections" if len(rest) == 1 else f"{len(rest)} more rules allow connections"
            parts = tuple(part for one in rest for part in self._parts(one))
            yield RuleFinding(rest[0].opening.path, f"from this rule on, {more}: {rest[0].says}", parts=parts)

    def combined_finding(self, found: Sequence[Opening], reason: str) -> RuleFinding:
        """Return the finding about rules that are too broad together."""
        message = (
            f"the rules together allow connections {self._way(found[0])} networks that include {reason}; "
            "select particular peers"
        )
        return RuleFinding(
            f"spec.{found[0].direction.lower()}",
            message,
            parts=tuple(digest((self._subject, one.direction, one.ports, one.peers.networks)) for one in found),
        )

    def _way(self, opening: Opening) -> str:
        """Return the description of a direction, up to the peers."""
        return f"to {self._pods} from" if opening.direction is Direction.INGRESS else f"from {self._pods} to"

    def _parts(self, found: OpeningIssue) -> Iterator[str]:
        """Yield the parts of a finding, which distinguish findings with the same shortened message."""
        common = digest((self._subject, found.opening.direction, found.opening.ports, found.says))
        peers = found.peers
        for one in (*peers.selected, *peers.named):
            yield f"{common} {digest(one)}"
        if peers.networks:
            yield f"{common} {digest(peers.networks)}"
        if peers.everybody:
            yield common


def digest(found: object) -> str:
    """Return a short hash of a value."""
    return blake2b(repr(found).encode(), digest_size=8).hexdigest()
