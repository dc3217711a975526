"""What a namespace's policies are to say, before any engine's words."""

from enum import StrEnum

from msgspec import Struct

from webhook.model.fields import PortRange
from webhook.model.selector import EVERYTHING, AllOf


class Engine(StrEnum):
    """Whose policies are written."""

    CALICO = "calico"
    KUBERNETES = "kubernetes"


class Direction(StrEnum):
    """Which way, as both engines write it."""

    INGRESS = "Ingress"
    EGRESS = "Egress"


BOTH = (Direction.INGRESS, Direction.EGRESS)


class Pods(Struct, frozen=True):
    """Pods by their labels, in the namespaces that `namespaces` selects; None: in the policy's own.

    Of the selectors only equalities and sets are used, which both engines can say.
    """

    labels: AllOf = EVERYTHING
    namespaces: AllOf | None = None


class Networks(Struct, frozen=True):
    """Addresses, of either IP version."""

    cidrs: tuple[str, ...]


Peer = Pods | Networks


NOBODY = Networks(())


class Allow(Struct, frozen=True):
    """Who may connect, in one direction, to which ports of whoever is connected to."""

    direction: Direction
    peer: Peer
    ports: tuple[PortRange, ...]


class Intent(Struct, frozen=True):
    """One policy: which Pods of the namespace it closes, in which directions, and what it leaves open."""

    name: str
    directions: tuple[Direction, ...] = BOTH
    allows: tuple[Allow, ...] = ()
    subject: AllOf = EVERYTHING

    def allowed(self, direction: Direction) -> tuple[Allow, ...]:
        """What stays open one way; no networks are nobody, although a list without peers would be everybody."""
        return tuple(allow for allow in self.allows if allow.direction is direction and allow.peer != NOBODY)
