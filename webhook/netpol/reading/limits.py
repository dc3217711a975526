"""Limits for the size of a policy: above every real policy, and low enough to need only milliseconds."""

from collections.abc import Iterable
from typing import Final

# Peers, ports, networks, rules and selector terms of one policy, together. The largest policies of public repositories
# have some hundreds; Calico accepts 50 ports and 256 networks per rule, so this is a dozen rules of the maximum size.
# At some microseconds each, an UPDATE, which has two objects, stays far below 100 ms.
MOST_PARTS: Final = 4096
TOO_LARGE: Final = (
    f"the policy has more than {MOST_PARTS} peers, ports, networks, rules and selector terms, which is the limit; "
    "split it into several policies"
)


def check_size(parts: Iterable[int]) -> None:
    """Raise ValueError for a policy with too many parts; stop reading the iterable at the limit."""
    total = 0
    for count in parts:
        total += count
        if total > MOST_PARTS:
            raise ValueError(TOO_LARGE)


# Commas in an object's JSON. A part has at most two; kubectl's annotation and managed fields repeat the spec.
# An object above the limit is not decoded at all.
MOST_COMMAS: Final = 8 * MOST_PARTS
# Characters of Calico's selectors that count as one term: the length of the shortest usual comparison of a label.
TERM_LENGTH: Final = 12


def size_error(source: bytes) -> str:
    """Return why the JSON of an object is too large to be decoded; empty where it is not."""
    return TOO_LARGE if source.count(b",") > MOST_COMMAS else ""
