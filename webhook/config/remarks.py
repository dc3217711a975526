"""Settings of a policy file that are legal and have no effect, or another effect than their author may expect.

They are no faults: the file counts. `catflap config check` prints them as warnings. Each is certain by the file alone, whatever the
cluster has: a warning that is wrong half of the time is read by no user.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from webhook.config import useless_names, useless_network, useless_rules
from webhook.config.enclosure import manifest_in
from webhook.config.faults import BadPolicy, PolicyFault, readable
from webhook.config.parse import Examined, examined
from webhook.config.places import written
from webhook.config.sound import Check, Gaps, Path, Remark, judged, value_at
from webhook.model.policy import GuardPolicy

MOST_TOLD: Final = 20  # of one kind
# Each remark, with the lists whose broken items it may leave out: it says the same of the others, whatever these items should be.
REMARKS: Final[Mapping[Remark, tuple[Path, ...]]] = {
    **useless_rules.REMARKS, **useless_network.REMARKS, **useless_names.REMARKS
}  # fmt: skip


def remarks_on(text: str, at: datetime) -> list[PolicyFault]:
    """Return the remarks on the text of a file at a moment, each with its place in it.

    A file with faults is judged as far as it can be read; nothing is said of a list in which an item is at fault.
    """
    try:
        inside = manifest_in(text)
        found = examined(inside.text if inside else text)
    except BadPolicy:
        return []
    told = [placed(one, found) for one in of(found, at)]
    moved = [*map(inside.moved, told), *inside.remarks] if inside else told
    return sorted(moved, key=lambda one: (one.place or (0, 0), one.path))


def of(found: Examined, at: datetime) -> Iterator[PolicyFault]:
    """Return the remarks on a file; where it has faults, those on what these do not touch."""
    at_fault = [fault.path for fault in found.faults if fault.path]
    unsure = (*lists_at_fault(found.said.content, found.found), *(f"{path}{end}" for path in at_fault for end in ".["))
    for one in remarks(found, at):
        if one.path not in at_fault and not one.path.startswith(unsure):
            yield one


def lists_at_fault(content: Any, found: Gaps) -> Iterator[str]:
    """Return how the paths of the items begin in each list that is broken itself, or of which a word is."""
    for path in found.paths:
        if isinstance(value_at(content, path), list):
            yield f"{written(path)}["
        elif path and isinstance(path[-1], int):
            yield f"{written(path[:-1])}["


def remarks(found: Examined, at: datetime) -> Iterator[PolicyFault]:
    """Return what has no effect, or another one than expected, at a moment, by what of the file can be read as a policy."""
    checks = {bounded(remark, at): lists for remark, lists in REMARKS.items()}
    if found.policy is None:
        yield from judged(found.said.content, found.found, checks, always=())
        return
    for check in checks:
        yield from check(found.policy)


def bounded(remark: Remark, at: datetime) -> Check:
    """Return a remark at a moment, of which no more than so many are made."""
    return partial(first_of, remark, at)


def first_of(remark: Remark, at: datetime, policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Return the first remarks of one kind."""
    for number, one in enumerate(remark(policy, at)):
        if number == MOST_TOLD:
            yield PolicyFault("", f"and more of this kind: {one.message}")
            return
        yield one


def placed(one: PolicyFault, found: Examined) -> PolicyFault:
    """Return a remark with its place in the text, on one line."""
    return PolicyFault(readable(one.path), readable(one.message), found.said.place(one.path))
