"""Compute how long a namespace was without its default-deny policy, as far as the log says.

The log has each removal that catflap admitted, and each restoration, so the time between them is exact. If a user
removed the policy without a request to catflap, the last proof of the policy is an admitted Pod or a write. The time
from that proof to the restoration is an upper bound. A write whose record has no reason code may or may not be a
restoration: it ends a removal that is on record, and otherwise counts as unexplained.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from webhook.report.gathering import BORN, CREATED, ENDING, LEFT, REMOVED, RESTORED, STANDS, WRITTEN
from webhook.report.ledger import Event
from webhook.report.timeline import moment_of

BIRTH = "its creation"


class Space(Struct):
    """The history of one namespace in the log."""

    name: str
    closed: str = ""  # the first time at which the policy is known to exist
    seen: str = ""  # the last such time
    to_close: float | None = None  # seconds from its birth until it was closed, if both are on record
    lapses: int = 0
    without: float = 0.0  # seconds: exact values, and upper bounds for the others
    exact: bool = True  # whether each lapse's beginning is on record
    unknown: int = 0  # lapses with an unknown beginning
    unexplained: int = 0  # writes over a policy that may or may not have been missing
    open_since: str = ""  # when it was removed, if no restoration is known
    open_by: str = ""
    ended: bool = False

    @property
    def state(self) -> str:
        """Return the state at the end of the log."""
        if self.ended:
            return "deleted"
        if self.open_since:
            return f"open since {self.open_since[:19]}, by {self.open_by}"
        return "isolated" if self.closed else "not known to be isolated"


class Coverage(Struct, frozen=True):
    """The sums over all namespaces in the log; the longest times without a policy come first."""

    spaces: tuple[Space, ...]
    more: int
    known: int  # how many were closed at some time
    open: int
    lapses: int
    lapsed: int  # how many namespaces had a lapse
    without: float
    exact: bool
    unknown: int
    unexplained: int
    slowest: float | None  # the longest time from birth until closed
    born: int  # how many namespaces have a known time from birth until closed
    unclosed: int  # created, without a record that they were closed


def coverage(events: Iterable[Event], most: int) -> Coverage:
    """Return the sums over all namespaces, and at most `most` rows."""
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
    """Return the first `most` namespaces in the order of the report."""
    return sorted(spaces, key=lambda one: (not one.open_since or one.ended, -one.without, -one.lapses, one.name))[:most]


def each_space(events: Iterable[Event]) -> Iterator[Space]:
    """Yield each namespace with its events applied in order."""
    for name, own in groupby(events, key=lambda event: event.space):
        space, engine = Space(name), ""
        for event in own:
            if event.what == LEFT and event.who != engine:  # a replaced policy of another engine
                continue
            if event.what in {CREATED, RESTORED, WRITTEN}:
                engine = event.who
            follow(space, event)
        yield space


def follow(space: Space, event: Event) -> None:
    """Apply one event."""
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
    """Remember that the policy exists at this time."""
    space.closed = space.closed or event.time
    space.seen, space.open_since, space.open_by = event.time, "", ""


def restore(space: Space, event: Event) -> None:
    """Add the time that the policy was missing."""
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
    """Return the seconds between two records, or zero if one has no valid time."""
    first, last = moment_of(begin), moment_of(end)
    return max((last - first).total_seconds(), 0.0) if first and last else 0.0
