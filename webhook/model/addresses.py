"""Sets of IP addresses, and the check whether a set is too large to select particular peers.

A network is parsed once into a range of numbers.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from operator import attrgetter
from typing import Final

from msgspec import Struct

from webhook.model.intervals import Intervals, contains, merged, shared, size, without

V4, V6 = 4, 6
BITS: Final = {V4: 32, V6: 128}
FORMS: Final = "write a network such as 203.0.113.0/24 or 2001:db8::/32"


class Addresses(Struct, frozen=True):
    """A set of addresses of both IP versions."""

    v4: Intervals = ()
    v6: Intervals = ()

    def __bool__(self) -> bool:
        return bool(self.v4 or self.v6)

    def __or__(self, other: "Addresses") -> "Addresses":
        return Addresses(merged((*self.v4, *other.v4)), merged((*self.v6, *other.v6)))

    def __and__(self, other: "Addresses") -> "Addresses":
        return Addresses(shared(self.v4, other.v4), shared(self.v6, other.v6))

    def __sub__(self, other: "Addresses") -> "Addresses":
        return Addresses(without(self.v4, other.v4), without(self.v6, other.v6))

    def includes(self, other: "Addresses") -> bool:
        """Return whether each address of the other set is in this one."""
        return contains(self.v4, other.v4) and contains(self.v6, other.v6)


LONGEST_PREFIX: Final = len("128")

NO_ADDRESS: Final = Addresses()
EVERY_ADDRESS: Final = Addresses(((0, 2 ** BITS[4] - 1),), ((0, 2 ** BITS[6] - 1),))


def range_of(cidr: str) -> tuple[int, int, int]:
    """Return the IP version, the first and the last address of a network; host bits do not count, as for engines.

    Raises ValueError for anything that Go's net.ParseCIDR refuses (a netmask, a zone): Calico skips such an entry, and a
    rule without entries means every address (libcalico-go, lib/backend/syncersv1/updateprocessors/rules.go). IPv4 written
    as IPv6 is refused too: engines read its prefix length in different ways.
    """
    text, slash, length = cidr.partition("/")
    version, address = (V6, IPv6Address) if ":" in text else (V4, IPv4Address)
    bits = BITS[version]
    if "%" in text or (
        slash and not (length.isascii() and length.isdigit() and len(length) <= LONGEST_PREFIX and int(length) <= bits)
    ):
        raise ValueError(f"{cidr[:60]!r} is not a valid network: {FORMS}")
    try:
        number = int(address(text))
    except ValueError:
        raise ValueError(f"{cidr[:60]!r} is not a valid network: {FORMS}") from None
    hosts = (1 << (bits - int(length or bits))) - 1
    first, last = number & ~hosts, number | hosts
    if version == V6 and MAPPED[0] <= first and last <= MAPPED[1]:
        raise ValueError(
            f"{cidr!r} is an IPv4 network in IPv6 form, which network engines interpret differently: write it as IPv4"
        )
    return version, first, last


MAPPED: Final = (0xFFFF << 32, (0xFFFF << 32) + 2**32 - 1)  # ::ffff:0:0/96 (RFC 4291, 2.5.5.2)


def addresses(cidrs: Iterable[str]) -> Addresses:
    """Return the addresses of networks; raises ValueError for text that is not a network."""
    found: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for cidr in cidrs:
        version, first, last = range_of(cidr)
        found[version].append((first, last))
    return Addresses(merged(found[4]), merged(found[6]))


def union(found: Sequence[Addresses]) -> Addresses:
    """Return the union of any number of sets; O(n log n) in their ranges."""
    if len(found) == 1:
        return found[0]
    v4, v6 = (merged(each for one in found for each in ranges(one)) for ranges in (attrgetter("v4"), attrgetter("v6")))
    return Addresses(v4, v6)


# Not public: IANA's registry of special-purpose IPv4 addresses (RFC 6890), multicast and class E.
SPECIAL_V4: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/3",
)  # fmt: skip
# What IANA has given to the five registries, as whole blocks: ipv6-unicast-address-assignments. The rest of 2000::/3 has
# no owner, so 2000::/4 is the whole of today's IPv6 internet.
PUBLIC_V6: Final = (
    "2001::/16", "2003::/18", "2400::/12", "2410::/12", "2600::/12", "2630::/12", "2800::/12", "2a00::/12", "2a10::/12",
    "2c00::/12",
)  # fmt: skip
PUBLIC: Final = Addresses(v4=EVERY_ADDRESS.v4) - addresses(SPECIAL_V4) | addresses(PUBLIC_V6)
# RFC 1918, and the half of RFC 4193 that may be used: networks of Pods, Services and nodes are taken from these.
PRIVATE: Final = addresses(("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"))
# Every IPv4 address as an IPv6 address behind a NAT64 (RFC 6052, 2.1); clusters of IPv6 alone reach IPv4 so.
NAT64: Final = range_of("64:ff9b::/96")[1:]


def behind_nat64(found: Addresses) -> Intervals:
    """Return the IPv4 addresses that a set reaches by itself and through a NAT64."""
    through = shared(found.v6, (NAT64,))
    return merged((*found.v4, *((first - NAT64[0], last - NAT64[0]) for first, last in through)))


def too_large(found: Addresses, cluster: Addresses = NO_ADDRESS) -> str:
    """Return why a set of addresses does not select particular peers; empty if it does.

    The limit is half of the public addresses of an IP version. The largest lists in use are those of
    clouds and countries, which are below the limit. A list of exceptions that leaves most of the internet in is above it.
    All private networks, and all networks of the cluster (`cluster`), select every Pod.
    """
    for version, mine, public, private, own in (
        (V4, found.v4, PUBLIC.v4, PRIVATE.v4, cluster.v4),
        (V6, found.v6, PUBLIC.v6, PRIVATE.v6, cluster.v6),
        (V4, behind_nat64(found), PUBLIC.v4, PRIVATE.v4, cluster.v4),
    ):
        total = size(mine)
        if 2 * total > size(public) and 2 * size(shared(mine, public)) > size(public):
            return f"more than half of all public IPv{version} addresses"
        if total >= size(private) and contains(mine, private):
            return f"every private IPv{version} network"
        if own and total >= size(own) and contains(mine, own):
            return f"every IPv{version} network of the cluster (network.clusterCIDRs)"
    return ""
