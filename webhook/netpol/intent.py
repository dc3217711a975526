"""What a namespace's policies are to say, before any engine's words."""

from enum import StrEnum

from msgspec import Struct

from webhook.model.selector import EVERYTHING, AllOf
from webhook.model.traffic import NOBODY, Allow, Direction


class Engine(StrEnum):
    """Whose policies are written."""

    CALICO = "calico"
    KUBERNETES = "kubernetes"


BOTH = (Direction.INGRESS, Direction.EGRESS)


class Intent(Struct, frozen=True):
    """One policy: which Pods of the namespace it closes, in which directions, and what it leaves open."""

    name: str
    directions: tuple[Direction, ...] = BOTH
    allows: tuple[Allow, ...] = ()
    subject: AllOf = EVERYTHING

    def allowed(self, direction: Direction) -> tuple[Allow, ...]:
        """What stays open one way; no networks are nobody, although a list without peers would be everybody."""
        return tuple(allow for allow in self.allows if allow.direction is direction and allow.peer != NOBODY)
