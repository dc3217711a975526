"""Allowed traffic in catflap's own policies, independent of the engine."""

from collections.abc import Collection
from enum import StrEnum
from ipaddress import collapse_addresses, ip_network

from msgspec import Struct

from webhook.model.fields import PortRange
from webhook.model.selector import EVERYTHING, Selector


class Direction(StrEnum):
    """The direction of traffic, as both engines write it."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


class Pods(Struct, frozen=True):
    """Pods by their labels, in the namespaces that `namespaces` selects; None: in the policy's own."""

    labels: Selector = EVERYTHING
    namespaces: Selector | None = None


class Networks(Struct, frozen=True):
    """Addresses of either IP version, which can be those of Pods."""

    cidrs: tuple[str, ...]


Peer = Pods | Networks

NOBODY = Networks(())


class Allow(Struct, frozen=True):
    """Allowed traffic in one direction: the peer and the destination ports."""

    direction: Direction
    peer: Peer
    ports: tuple[PortRange, ...]


def spans_everything(cidrs: Collection[str]) -> bool:
    """Return whether networks cover all addresses of an IP version."""
    for version in (4, 6):
        networks = [network for network in map(ip_network, cidrs) if network.version == version]
        if any(one.prefixlen == 0 for one in collapse_addresses(networks)):  # type: ignore[type-var]
            return True
    return False
