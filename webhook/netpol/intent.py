"""What a namespace's policies are to say, before any engine's words."""

from enum import StrEnum

from msgspec import Struct

from webhook.model.names import ALLOW_DNS, DEFAULT_DENY
from webhook.model.policy import DnsEndpoint, Network
from webhook.netpol.dns import endpoints


class Engine(StrEnum):
    """Whose policies are written."""

    CALICO = "calico"
    KUBERNETES = "kubernetes"


class Direction(StrEnum):
    """Which way, as both engines write it."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


class Intent(Struct, frozen=True):
    """One policy: every Pod of the namespace, the directions it closes, and what stays open towards name servers."""

    name: str
    directions: tuple[Direction, ...]
    egress: tuple[DnsEndpoint, ...] = ()


def intents(network: Network, *, detected_dns: str) -> tuple[Intent, ...]:
    """What closes a namespace, in the order in which it is to be stored: the closing one first.

    `detected_dns` is the preset that stands for `auto` in this cluster.
    """
    deny = Intent(DEFAULT_DENY, (Direction.INGRESS, Direction.EGRESS))
    servers = endpoints(network.dns, detected=detected_dns)
    return (deny, Intent(ALLOW_DNS, (Direction.EGRESS,), egress=servers)) if servers else (deny,)
