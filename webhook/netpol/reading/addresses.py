"""Networks as other people write them."""

from collections.abc import Iterable
from ipaddress import ip_network


def networks(found: Iterable[str]) -> tuple[str, ...]:
    """Networks with their host bits cleared, as engines take them; raises ValueError for what is none."""
    return tuple(str(ip_network(text, strict=False)) for text in found)
