"""When each namespace was closed, by the records of those who made it and of those who closed it."""

from datetime import datetime
from typing import Final, NamedTuple

from msgspec import Struct

from webhook.audit.entry import Entry
from webhook.model.decision import Verdict
from webhook.model.names import DEFAULT_DENY

MOST_NAMESPACES: Final = 10_000
# Of one namespace: a thousand times that somebody takes its policy away, and what comes then only counts.
MOST_MOMENTS: Final = 1_000
REFUSED: Final = frozenset({Verdict.DENIED, Verdict.UNAVAILABLE})
KIND: Final = "NetworkPolicy"  # of the policy that closes a namespace, in both APIs


class Space(Struct):
    """What is on record of one namespace, each kind of moment in the order of the log."""

    made: list[datetime] = []
    closed: list[datetime] = []
    taken: list[datetime] = []  # somebody was let edit or delete the policy
    put_back: list[datetime] = []  # the policy was gone, or another one
    restored: int = 0
    pods: int = 0  # that were let in
    proven: int = 0  # of those, with its policy proven to stand at that very moment


class Wait(NamedTuple):
    """From when to when a namespace had no policy on record, and after what."""

    since: datetime
    until: datetime | None  # None: the log tells of none
    after: str

    @property
    def seconds(self) -> float | None:
        """How long that was."""
        return (self.until - self.since).total_seconds() if self.until else None


class Spaces:
    """Every namespace that a log tells of, whatever the order of its files."""

    def __init__(self) -> None:
        self.found: dict[str, Space] = {}
        self.untold = 0  # moments in namespaces beyond the most that are kept

    def take(self, entry: Entry, at: datetime) -> None:
        """Remember what a record says about a namespace being open or closed."""
        ref = entry.object_ref
        if entry.type == "write":
            if (
                (ref.kind, ref.name) == (KIND, DEFAULT_DENY)
                and entry.verb == "apply"
                and (space := self._of(ref.namespace))
            ):
                remember(space.closed, at)
                if entry.reason.startswith("restored"):
                    space.restored += 1
                    remember(space.put_back, at)
            return
        if entry.type != "decision" or entry.dry_run or entry.decision in REFUSED:
            return
        if ref.path == "namespaces" and entry.verb == "create":
            if entry.phase == "mutate" and (space := self._of(ref.name)):  # asked of every new one
                remember(space.made, at)
        elif ref.name == DEFAULT_DENY and entry.verb in {"update", "delete"}:
            if space := self._of(ref.namespace):
                remember(space.taken, at)
        elif (ref.path, entry.verb, entry.phase) == ("pods", "create", "validate") and (
            space := self._of(ref.namespace)
        ):
            space.pods += 1
            space.proven += entry.closure in {"proven", "written"}

    def _of(self, name: str) -> Space | None:
        found = self.found.get(name)
        if found is None and name and len(self.found) < MOST_NAMESPACES:
            found = self.found[name] = Space()
        self.untold += found is None
        return found


def remember(moments: list[datetime], at: datetime) -> None:
    """Keep a moment, if there is room."""
    if len(moments) < MOST_MOMENTS:
        moments.append(at)


def waits(space: Space) -> list[Wait]:
    """Each time that a namespace was without its policy, as far as the log tells.

    A policy may be written a moment before the record of its namespace is: a proof of a Pod can be faster than the answer's way.
    """
    begins = sorted(
        [(at, "it was made") for at in space.made] + [(at, "somebody was let change it") for at in space.taken]
    )
    closed = sorted(space.closed)
    return [Wait(at, next((one for one in closed if one >= at), None), after) for at, after in begins]


def unexplained(space: Space) -> int:
    """How often the policy was put back without a change on record: somebody took it away past us, and nothing tells when."""
    told = {one.until for one in waits(space)}
    return sum(at not in told for at in space.put_back)
