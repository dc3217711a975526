"""Addresses and networks (k8s.io/apiserver, pkg/cel/library/ip.go and cidr.go)."""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import Final

from webhook.custom.functions.function import Function, Kind, text_of

IP: Final = "ip"
CIDR: Final = "cidr"
Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface


def address(text: str) -> Address:
    """The address that a text says; raises ValueError."""
    found = ip_address(text)
    if "%" in text:
        raise ValueError("IP address with zone value is not allowed")
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        raise ValueError("IPv4-mapped IPv6 address is not allowed")
    return found


def network(text: str) -> Interface:
    """The network that a text says, with its host bits; raises ValueError."""
    found = ip_interface(text)
    _, slash, length = text.partition("/")
    if not (slash and length.isdecimal() and length.isascii()) or length != str(int(length)):
        raise ValueError(f"network address parse error: {text!r} is no CIDR")
    address(text.partition("/")[0])
    return found


def is_(parse: Callable[[str], object]) -> Callable[[str], bool]:
    """Whether a text is what `parse` takes."""

    def judged(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return judged


def is_canonical(text: str) -> bool:
    """Whether an address is written as it should be; raises ValueError for none."""
    return str(address(text)) == text


def address_of(value: dict[str, str]) -> Address:
    """The address of a value."""
    return ip_address(text_of(value, IP))


def network_of(value: dict[str, str]) -> Interface:
    """The network of a value."""
    return ip_interface(text_of(value, CIDR))


def is_global_unicast(found: Address) -> bool:
    """As Go has it (net/netip, IsGlobalUnicast): private addresses too."""
    broadcast = found == IPv4Address("255.255.255.255")
    return not (found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local or broadcast)


def contains_ip(value: dict[str, str], other: dict[str, str] | str) -> bool:
    """Whether an address lies in a network."""
    found = address(other) if isinstance(other, str) else address_of(other)
    return found in network_of(value).network


def contains_cidr(value: dict[str, str], other: dict[str, str] | str) -> bool:
    """Whether a network lies in another."""
    outer = network_of(value).network
    inner = (network(other) if isinstance(other, str) else network_of(other)).network
    if isinstance(outer, IPv4Network) or isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network) and inner.subnet_of(outer)
    return inner.subnet_of(outer)


def link_local(found: Address) -> bool:
    """Whether an address is one of a link's multicast groups (RFC 4291, 2.7; RFC 5771)."""
    if isinstance(found, IPv4Address):
        return found in IPv4Network("224.0.0.0/24")
    return found.packed[0] == 0xFF and found.packed[1] & 0x0F == 2  # noqa: PLR2004 (scope 2 is the link)


def about(name: str, call: Callable[[Address], object], result: Kind = Kind.BOOL) -> Function:
    """A member of addresses."""
    return Function(name, (Kind.VALUE,), result, lambda value: call(address_of(value)))


FUNCTIONS = (
    Function("ip", (Kind.STRING,), Kind.VALUE, lambda text: {IP: str(address(text))}, is_member=False),
    Function("isIP", (Kind.STRING,), Kind.BOOL, is_(address), is_member=False),
    Function("ip.isCanonical", (Kind.STRING,), Kind.BOOL, is_canonical, is_member=False),
    about("family", lambda found: found.version, Kind.INT),
    about("isUnspecified", lambda found: found.is_unspecified),
    about("isLoopback", lambda found: found.is_loopback),
    about("isLinkLocalMulticast", link_local),
    about("isLinkLocalUnicast", lambda found: found.is_link_local),
    about("isGlobalUnicast", is_global_unicast),
    Function("cidr", (Kind.STRING,), Kind.VALUE, lambda text: {CIDR: str(network(text))}, is_member=False),
    Function("isCIDR", (Kind.STRING,), Kind.BOOL, is_(network), is_member=False),
    Function("containsIP", (Kind.VALUE, Kind.STRING), Kind.BOOL, contains_ip),
    Function("containsIP", (Kind.VALUE, Kind.VALUE), Kind.BOOL, contains_ip),
    Function("containsCIDR", (Kind.VALUE, Kind.STRING), Kind.BOOL, contains_cidr),
    Function("containsCIDR", (Kind.VALUE, Kind.VALUE), Kind.BOOL, contains_cidr),
    Function("ip", (Kind.VALUE,), Kind.VALUE, lambda value: {IP: str(network_of(value).ip)}),
    Function("prefixLength", (Kind.VALUE,), Kind.INT, lambda value: network_of(value).network.prefixlen),
    Function("masked", (Kind.VALUE,), Kind.VALUE, lambda value: {CIDR: str(network_of(value).network)}),
)
