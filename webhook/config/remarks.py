"""Find legal settings that have no effect, or an effect that their author may not expect.

They are not faults, and the file applies. `catflap config check` prints them as warnings. The file alone proves each
warning, for any state of the cluster. Users ignore warnings that are often wrong.
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

MOST_TOLD: Final = 20  # for one kind
# Map each remark to the lists whose broken items it may leave out: their values do not change what it says about other
# items.
REMARKS: Final[Mapping[Remark, tuple[Path, ...]]] = {
    **useless_rules.REMARKS, **useless_network.REMARKS, **useless_names.REMARKS
}  # fmt: skip


def remarks_on(text: str, at: datetime) -> list[PolicyFault]:
    """Return the remarks on the text of a file at a moment, each with its place in the text.

    A file with faults is judged as far as it can be read. A list with a faulty item gets no remarks.
    """
    try:
        inside = manifest_in(text)
        found = examined(inside.text if inside else text)
    except BadPolicy:
        return []
    told = [*found.said.warnings, *(placed(one, found) for one in of(found, at))]
    moved = [*map(inside.moved, told), *inside.remarks] if inside else told
    return sorted(moved, key=lambda one: (one.place or (0, 0), one.path))


def of(found: Examined, at: datetime) -> Iterator[PolicyFault]:
    """Yield the remarks on a file; if it has faults, only the remarks that the faults do not affect."""
    at_fault = [fault.path for fault in found.faults if fault.path]
    lists = map(found.said.as_in_text, lists_at_fault(found.said.content, found.found))
    unsure = (*lists, *(f"{path}{end}" for path in at_fault for end in ".["))
    for one in remarks(found, at):
        path = found.said.as_in_text(one.path)
        if path not in at_fault and not path.startswith(unsure):
            yield one


def lists_at_fault(content: Any, found: Gaps) -> Iterator[str]:
    """Yield the prefix of the item paths of each list that is broken or has a broken word."""
    for path in found.paths:
        if isinstance(value_at(content, path), list):
            yield f"{written(path)}["
        elif path and isinstance(path[-1], int):
            yield f"{written(path[:-1])}["


def remarks(found: Examined, at: datetime) -> Iterator[PolicyFault]:
    """Yield settings with no effect or an unexpected effect at a moment, in the readable parts of a file."""
    checks = {bounded(remark, at): lists for remark, lists in REMARKS.items()}
    if found.policy is None:
        yield from judged(found.said.content, found.found, checks, always=())
        return
    for check in checks:
        yield from check(found.policy)


def bounded(remark: Remark, at: datetime) -> Check:
    """Return a remark at a moment as a check with a limited number of results."""
    return partial(first_of, remark, at)


def first_of(remark: Remark, at: datetime, policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Yield the first remarks of one kind."""
    for number, one in enumerate(remark(policy, at)):
        if number == MOST_TOLD:
            yield PolicyFault("", f"and more of this kind: {one.message}")
            return
        yield one


def placed(one: PolicyFault, found: Examined) -> PolicyFault:
    """Return a remark with its place in the text, on one line."""
    path = found.said.as_in_text(one.path)
    return PolicyFault(readable(path), readable(one.message), found.said.place(one.path))
