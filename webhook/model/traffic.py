"""Who may connect to whom, as our own policies say it to any engine."""

from collections.abc import Collection
from enum import StrEnum
from ipaddress import collapse_addresses, ip_network

from msgspec import Struct

from webhook.model.fields import PortRange
from webhook.model.selector import EVERYTHING, Selector


class Direction(StrEnum):
    """Which way, as both engines write it."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


class Pods(Struct, frozen=True):
    """Pods by their labels, in the namespaces that `namespaces` selects; None: in the policy's own."""

    labels: Selector = EVERYTHING
    namespaces: Selector | None = None


class Networks(Struct, frozen=True):
    """Addresses, of either IP version; Pods have some too."""

    cidrs: tuple[str, ...]


Peer = Pods | Networks

NOBODY = Networks(())


class Allow(Struct, frozen=True):
    """Who may connect, in one direction, to which ports of whoever is connected to."""

    direction: Direction
    peer: Peer
    ports: tuple[PortRange, ...]


def spans_everything(cidrs: Collection[str]) -> bool:
    """Return whether networks make up all addresses of an IP version, in one piece or in several."""
    for version in (4, 6):
        networks = [network for network in map(ip_network, cidrs) if network.version == version]
        if any(one.prefixlen == 0 for one in collapse_addresses(networks)):  # type: ignore[type-var]
            return True
    return False
