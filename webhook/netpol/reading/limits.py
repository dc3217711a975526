"""How much of a policy is judged: more than any person writes, and little enough for milliseconds."""

from collections.abc import Iterable
from typing import Final

# Peers, ports, networks, rules and selector terms of one policy, together. The largest policies of public repositories
# have some hundreds; Calico takes 50 ports and 256 networks a rule, of which this is a dozen rules filled to the brim.
# At some microseconds each, an UPDATE, which judges two objects, stays far below 100 ms.
MOST_PARTS: Final = 4096
TOO_LARGE: Final = (
    f"it has more than {MOST_PARTS} peers, ports, networks, rules and selector terms, which is the most that is judged; "
    "split it into several policies"
)


def check(parts: Iterable[int]) -> None:
    """Raise ValueError where the parts of a policy are too many; the iterable is read no further than the bound."""
    total = 0
    for count in parts:
        total += count
        if total > MOST_PARTS:
            raise ValueError(TOO_LARGE)


# Commas in an object's JSON, of which a part has two at most; kubectl's annotation and managed fields repeat the spec.
# Above, the object is not decoded at all.
MOST_COMMAS: Final = 8 * MOST_PARTS
# Characters of Calico's selectors that count as one term: the shortest comparison of a label that people write.
TERM: Final = 12


def excess_of(source: bytes) -> str:
    """Return why the JSON of an object is not read, whatever its parts are; empty where it is."""
    return TOO_LARGE if source.count(b",") > MOST_COMMAS else ""
