"""For how long a namespace was without its default-deny policy, as far as the log tells.

A removal that catflap let through is on record, and so is each restoration: the time between is known. Where somebody removed it past
catflap, the policy was last known to stand when a Pod was admitted on its proof, or when it was written: the time from
there to the restoration is the most that it can have been gone. A write whose record has no reason code may be a restoration or not:
it ends a removal that is on record, and is counted where it tells of none.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from webhook.report.gathering import BORN, CREATED, ENDING, LEFT, REMOVED, RESTORED, STANDS, WRITTEN
from webhook.report.ledger import Event
from webhook.report.timeline import moment_of

BIRTH = "its birth"


class Space(Struct):
    """What the log says of one namespace."""

    name: str
    closed: str = ""  # when its policy is first known to stand
    seen: str = ""  # when it is last known to
    to_close: float | None = None  # seconds from its birth until it was closed, where both are on record
    lapses: int = 0
    without: float = 0.0  # seconds: exact ones, and the most that the others can be
    exact: bool = True  # whether each lapse's beginning is on record
    unknown: int = 0  # lapses of which nothing tells when they began
    unexplained: int = 0  # writes over a policy of which nothing tells whether it was gone
    open_since: str = ""  # removed, and not known to be restored
    open_by: str = ""
    ended: bool = False

    @property
    def state(self) -> str:
        """How it stood at the end."""
        if self.ended:
            return "deleted"
        if self.open_since:
            return f"open since {self.open_since[:19]}, by {self.open_by}"
        return "closed" if self.closed else "not known to be closed"


class Coverage(Struct, frozen=True):
    """What the log says of all namespaces; the ones that were without for longest come first."""

    spaces: tuple[Space, ...]
    more: int
    known: int  # how many were closed at some time
    open: int
    lapses: int
    lapsed: int  # how many namespaces had any
    without: float
    exact: bool
    unknown: int
    unexplained: int
    slowest: float | None  # the longest time from birth until closed
    born: int  # of how many namespaces that is known
    unclosed: int  # created, and nothing on record that closed them


def coverage(events: Iterable[Event], most: int) -> Coverage:
    """The sums over all namespaces, and as many rows."""
    spaces: list[Space] = []
    count = known = opened = lapses = lapsed = unknown = unexplained = born = unclosed = 0
    without, exact, slowest = 0.0, True, None
    for space in each_space(events):
        if not space.closed and space.open_by == BIRTH:
            unclosed += 1
            continue
        count += 1
        known += bool(space.closed)
        opened += bool(space.open_since and not space.ended)
        lapses += space.lapses
        lapsed += bool(space.lapses)
        without += space.without
        exact = exact and space.exact
        unknown += space.unknown
        unexplained += space.unexplained
        if space.to_close is not None:
            born += 1
            slowest = max(slowest or 0.0, space.to_close)
        spaces.append(space)
        if len(spaces) >= 2 * most:
            spaces = worst(spaces, most)
    return Coverage(
        tuple(worst(spaces, most)), max(count - most, 0), known, opened, lapses, lapsed, without, exact, unknown, unexplained, slowest, born, unclosed
    )  # fmt: skip


def worst(spaces: list[Space], most: int) -> list[Space]:
    """Those to be told of first."""
    return sorted(spaces, key=lambda one: (not one.open_since or one.ended, -one.without, -one.lapses, one.name))[:most]


def each_space(events: Iterable[Event]) -> Iterator[Space]:
    """Each namespace, by its events in order."""
    for name, own in groupby(events, key=lambda event: event.space):
        space, engine = Space(name), ""
        for event in own:
            if event.what == LEFT and event.who != engine:  # another engine's, whose place ours has taken
                continue
            if event.what in {CREATED, RESTORED, WRITTEN}:
                engine = event.who
            follow(space, event)
        yield space


def follow(space: Space, event: Event) -> None:
    """What one event tells."""
    match event.what:
        case _ if event.what == BORN:
            space.ended, space.open_since, space.seen = False, event.time, ""
            space.open_by = BIRTH
        case _ if event.what == ENDING:
            space.ended = True
        case _ if event.what in {REMOVED, LEFT}:
            space.open_since = space.open_since or event.time
            space.open_by = event.who if event.what == REMOVED else "the policy file"
        case _ if event.what in {CREATED, RESTORED, WRITTEN}:
            restore(space, event)
            stand(space, event)
        case _ if event.what == STANDS:
            if space.open_since and not space.seen:
                restore(space, event)
            stand(space, event)


def stand(space: Space, event: Event) -> None:
    """The policy stands at this time."""
    space.closed = space.closed or event.time
    space.seen, space.open_since, space.open_by = event.time, "", ""


def restore(space: Space, event: Event) -> None:
    """How long it was gone."""
    if space.open_since and not space.seen:  # never closed since its birth
        space.to_close = max(space.to_close or 0.0, seconds(space.open_since, event.time))
        return
    if space.open_since:
        space.lapses += 1
        space.without += seconds(space.open_since, event.time)
    elif event.what == RESTORED and space.seen:
        space.lapses += 1
        space.without += seconds(space.seen, event.time)
        space.exact = False
    elif event.what == RESTORED:
        space.lapses += 1
        space.unknown += 1
        space.exact = False
    elif event.what == WRITTEN and space.seen:
        space.unexplained += 1


def seconds(begin: str, end: str) -> float:
    """The time between two records; nothing where one of them has no time."""
    first, last = moment_of(begin), moment_of(end)
    return max((last - first).total_seconds(), 0.0) if first and last else 0.0
