"""Compute how long a namespace was without its default-deny policy, as far as the log says.

The log has each removal that catflap admitted, and each restoration, so the time between them is exact. If a user
removed the policy without a request to catflap, the last proof of the policy is an admitted Pod or a write. The time
from that proof to the restoration is an upper bound. A write whose record has no reason code may or may not be a
restoration: it ends a removal that is on record, and otherwise counts as unexplained.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from msgspec import Struct

from webhook.report.aggregator import (
    NAMESPACE_CREATED,
    NAMESPACE_TERMINATING,
    POLICY_CREATED,
    POLICY_DELETED,
    POLICY_EXISTS,
    POLICY_REMOVED,
    POLICY_RESTORED,
    POLICY_WRITTEN,
)
from webhook.report.count_store import PolicyEvent
from webhook.report.timeline import parse_time

CREATION = "its creation"


class NamespaceHistory(Struct):
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


class IsolationHistory(Struct, frozen=True):
    """The sums over all namespaces in the log; the longest times without a policy come first."""

    spaces: tuple[NamespaceHistory, ...]
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


def isolation_history(events: Iterable[PolicyEvent], limit: int) -> IsolationHistory:
    """Return the sums over all namespaces, and at most `limit` rows."""
    namespaces: list[NamespaceHistory] = []
    count = known = opened = lapses = lapsed = unknown = unexplained = born = unclosed = 0
    without, exact, slowest = 0.0, True, None
    for namespace in each_namespace(events):
        if not namespace.closed and namespace.open_by == CREATION:
            unclosed += 1
            continue
        count += 1
        known += bool(namespace.closed)
        opened += bool(namespace.open_since and not namespace.ended)
        lapses += namespace.lapses
        lapsed += bool(namespace.lapses)
        without += namespace.without
        exact = exact and namespace.exact
        unknown += namespace.unknown
        unexplained += namespace.unexplained
        if namespace.to_close is not None:
            born += 1
            slowest = max(slowest or 0.0, namespace.to_close)
        namespaces.append(namespace)
        if len(namespaces) >= 2 * limit:
            namespaces = sort_by_gap(namespaces, limit)
    return IsolationHistory(
        tuple(sort_by_gap(namespaces, limit)), max(count - limit, 0), known, opened, lapses, lapsed, without, exact, unknown, unexplained, slowest, born, unclosed
    )  # fmt: skip


def sort_by_gap(namespaces: list[NamespaceHistory], limit: int) -> list[NamespaceHistory]:
    """Return the first `limit` namespaces in the order of the report."""
    return sorted(namespaces, key=lambda one: (not one.open_since or one.ended, -one.without, -one.lapses, one.name))[
        :limit
    ]


def each_namespace(events: Iterable[PolicyEvent]) -> Iterator[NamespaceHistory]:
    """Yield each namespace with its events applied in order."""
    for name, namespace_events in groupby(events, key=lambda event: event.namespace):
        namespace, engine = NamespaceHistory(name), ""
        for event in namespace_events:
            if event.kind == POLICY_DELETED and event.user != engine:  # a replaced policy of another engine
                continue
            if event.kind in {POLICY_CREATED, POLICY_RESTORED, POLICY_WRITTEN}:
                engine = event.user
            apply(namespace, event)
        yield namespace


def apply(namespace: NamespaceHistory, event: PolicyEvent) -> None:
    """Apply one event."""
    match event.kind:
        case _ if event.kind == NAMESPACE_CREATED:
            namespace.ended, namespace.open_since, namespace.seen = False, event.time, ""
            namespace.open_by = CREATION
        case _ if event.kind == NAMESPACE_TERMINATING:
            namespace.ended = True
        case _ if event.kind in {POLICY_REMOVED, POLICY_DELETED}:
            namespace.open_since = namespace.open_since or event.time
            namespace.open_by = event.user if event.kind == POLICY_REMOVED else "the policy file"
        case _ if event.kind in {POLICY_CREATED, POLICY_RESTORED, POLICY_WRITTEN}:
            end_gap(namespace, event)
            record_policy(namespace, event)
        case _ if event.kind == POLICY_EXISTS:
            if namespace.open_since and not namespace.seen:
                end_gap(namespace, event)
            record_policy(namespace, event)


def record_policy(namespace: NamespaceHistory, event: PolicyEvent) -> None:
    """Remember that the policy exists at this time."""
    namespace.closed = namespace.closed or event.time
    namespace.seen, namespace.open_since, namespace.open_by = event.time, "", ""


def end_gap(namespace: NamespaceHistory, event: PolicyEvent) -> None:
    """Add the time that the policy was missing."""
    if namespace.open_since and not namespace.seen:  # never closed since its birth
        namespace.to_close = max(namespace.to_close or 0.0, seconds(namespace.open_since, event.time))
        return
    if namespace.open_since:
        namespace.lapses += 1
        namespace.without += seconds(namespace.open_since, event.time)
    elif event.kind == POLICY_RESTORED and namespace.seen:
        namespace.lapses += 1
        namespace.without += seconds(namespace.seen, event.time)
        namespace.exact = False
    elif event.kind == POLICY_RESTORED:
        namespace.lapses += 1
        namespace.unknown += 1
        namespace.exact = False
    elif event.kind == POLICY_WRITTEN and namespace.seen:
        namespace.unexplained += 1


def seconds(begin: str, end: str) -> float:
    """Return the seconds between two records, or zero if one has no valid time."""
    first, last = parse_time(begin), parse_time(end)
    return max((last - first).total_seconds(), 0.0) if first and last else 0.0
