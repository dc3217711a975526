"""Who may connect to whom, as policies of any engine say it."""

from collections.abc import Collection
from enum import StrEnum
from ipaddress import collapse_addresses, ip_network

from msgspec import Struct

from webhook.model.fields import PortRange
from webhook.model.names import GUARD_LABEL, NAMESPACE_NAME
from webhook.model.selector import EVERYTHING, Selector, is_narrow


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

# Set by the API server, by Calico, and by us where a namespace is guarded.
OF_EVERY_NAMESPACE = frozenset({NAMESPACE_NAME, "projectcalico.org/name", GUARD_LABEL})
NOBODY = Networks(())
EVERYBODY = Networks(("0.0.0.0/0", "::/0"))


class Allow(Struct, frozen=True):
    """Who may connect, in one direction, to which ports of whoever is connected to."""

    direction: Direction
    peer: Peer
    ports: tuple[PortRange, ...]


class Opening(Struct, frozen=True):
    """What one rule of somebody's policy lets through to or from the Pods that `subject` selects.

    `path` is where the rule stands; no ports are all of them. What a rule only says negatively (all but these) does not
    make it narrower here.
    """

    path: str
    subject: Selector
    allow: Allow

    @property
    def is_wide(self) -> bool:
        """Whether nobody in particular is meant: every address of an IP version, or Pods of every namespace."""
        match self.allow.peer:
            case Pods(_, namespaces):
                return namespaces is not None and not is_narrow(namespaces, always=OF_EVERY_NAMESPACE)
            case Networks(cidrs):
                return spans_everything(cidrs)

    def __str__(self) -> str:
        way = {Direction.INGRESS: "to {} from {}", Direction.EGRESS: "from {} to {}"}[self.allow.direction]
        return f"{way.format(pods_in_words(self.subject), peer_in_words(self.allow.peer))} on {ports_in_words(self.allow.ports)}"


def spans_everything(cidrs: Collection[str]) -> bool:
    """Whether networks make up all addresses of an IP version, in one piece or in several."""
    for version in (4, 6):
        networks = [network for network in map(ip_network, cidrs) if network.version == version]
        if any(one.prefixlen == 0 for one in collapse_addresses(networks)):  # type: ignore[type-var]
            return True
    return False


def pods_in_words(selector: Selector) -> str:
    """`every Pod`, or the selector."""
    return "every Pod" if selector == EVERYTHING else f"Pods with {selector}"


def peer_in_words(peer: Peer) -> str:
    """Whom a rule reaches."""
    if isinstance(peer, Networks):
        return "everybody" if peer == EVERYBODY else ", ".join(peer.cidrs)
    if peer.namespaces is None:
        return f"{pods_in_words(peer.labels)} of the namespace"
    spaces = "every namespace" if peer.namespaces == EVERYTHING else f"namespaces with {peer.namespaces}"
    return f"{pods_in_words(peer.labels)} of {spaces}"


def ports_in_words(ports: tuple[PortRange, ...]) -> str:
    """`every port`, or the ports as the policy file writes them; a protocol without ports by its name."""
    return ", ".join(map(port_in_words, ports)) or "every port"


def port_in_words(ports: PortRange) -> str:
    """One port or range."""
    if not ports.last:
        return ports.protocol
    last = f"-{ports.last}" if ports.last > ports.first else ""
    return f"{ports.first}{last}/{ports.protocol}"
