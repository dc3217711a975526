"""Which namespaces were closed, and how long it took."""

from collections.abc import Sequence

from webhook.guard.foretelling import counted
from webhook.report.closing import Space, Wait, unexplained, waits
from webhook.report.figures import Figures
from webhook.report.section import Section, Table
from webhook.report.wording import MOST_ROWS, and_more, seconds, when


class Coverage:
    """Which namespaces were closed, and how long it took."""

    def __init__(self, figures: Figures) -> None:
        self._untold = figures.spaces.untold
        self._spaces = figures.spaces.found
        self._waits = {name: waits(space) for name, space in self._spaces.items()}
        self._unexplained = {name: unexplained(space) for name, space in self._spaces.items()}
        self.unexplained = sum(self._unexplained.values())
        self.closed = [name for name, space in self._spaces.items() if space.closed]
        self.restored = sum(space.restored for space in self._spaces.values())
        known = [one.seconds for found in self._waits.values() for one in found if one.seconds is not None]
        self.longest = max(known, default=None)

    def section(self) -> Section:
        """As a section."""
        made = [name for name, space in self._spaces.items() if space.made]
        never = [name for name in made if not self._spaces[name].closed]
        pods = sum(space.pods for space in self._spaces.values())
        proven = sum(space.proven for space in self._spaces.values())
        order = sorted(self._spaces, key=lambda name: (-self._worst(name), -self._spaces[name].restored, name))
        return Section(
            "namespaces",
            "Namespaces and their default-deny policies",
            [
                (
                    f"{len(made):,} namespaces were made in this period under catflap's eyes; for {len(made) - len(never):,} of them the log has "
                    f"the write of their default-deny policy, for {len(never):,} it has none. The longest time between the request for a "
                    f"namespace, or a change that somebody was let make to its policy, and that write: {seconds(self.longest)}."
                ),
                past_us(self.unexplained),
                (
                    f"{pods:,} Pods were let in, {proven:,} of them after a live read had proven that their namespace's policy stands. The others "
                    "are in namespaces that need not be closed (older ones, exempt ones) or in staged mode."
                ),
            ],
            [
                Table(
                    ["Namespace", "Made (UTC)", "Closed (UTC)", "Seconds without", "Put back", "Pods let in", "Proven"],
                    [self._row(name, self._spaces[name]) for name in order[:MOST_ROWS]],
                    "The longest times without first",
                    numbers=frozenset({3, 4, 5, 6}),
                    more=and_more(len(order) - MOST_ROWS, "namespace")
                    + (
                        f" {self._untold:,} records are of still other namespaces, and are not counted here."
                        if self._untold
                        else ""
                    ),
                )
            ],
            limits="Seconds without, where they are known, are an upper bound by the clocks of those who wrote the records; no Pod is let into a guarded namespace in "
            "that time, which is what the column Proven shows. A namespace whose creation something else refused shows as one without a "
            "policy. That a policy is stored does not say when the network plug-in enforces it.",
        )

    def _worst(self, name: str) -> float:
        return max(
            (one.seconds if one.seconds is not None else float("inf") for one in self._waits[name]), default=-1.0
        )

    def _row(self, name: str, space: Space) -> tuple[str | int, ...]:
        first = min(space.made, default=None)
        closed = min((at for at in space.closed if first is None or at >= first), default=None)
        return (
            name,
            when(first),
            when(closed),
            spelled_out(self._waits[name], self._unexplained[name]),
            space.restored,
            space.pods,
            space.proven,
        )


def spelled_out(found: Sequence[Wait], unexplained: int) -> str:
    """The longest wait of a namespace, or that it has no end, and how many there were besides whose length is not known."""
    if any(one.seconds is None for one in found):
        return "no write on record"
    known = [one.seconds for one in found if one.seconds is not None]
    beside = [f"not known {counted(unexplained, 'time')}"] if unexplained else []
    return "; ".join([*([f"{max(known):,.2f}"] if known else []), *beside]) or "-"


def past_us(count: int) -> str:
    """What the log cannot tell of policies that were put back."""
    if not count:
        return "Each policy that was put back had been changed by somebody whose request is on record."
    return (
        f"{counted(count, 'time')} a policy was put back that nobody was let change on record: it was removed or edited while catflap was not asked, "
        "and how long it was gone is not known. The API server's own audit log has the request (--against)."
    )
