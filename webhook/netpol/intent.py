"""Intents: the content of a policy, independent of the engine."""

from enum import StrEnum

from msgspec import Struct

from webhook.model.selector import EVERYTHING, AllOf
from webhook.model.traffic import NOBODY, Allow, Direction


class PolicyEngine(StrEnum):
    """The engine whose policies catflap writes."""

    CALICO = "calico"
    KUBERNETES = "kubernetes"


BOTH = (Direction.INGRESS, Direction.EGRESS)


class Intent(Struct, frozen=True):
    """One policy: the Pods of the namespace that it isolates, the directions, and the allowed traffic."""

    name: str
    directions: tuple[Direction, ...] = BOTH
    allows: tuple[Allow, ...] = ()
    subject: AllOf = EVERYTHING

    def allowed(self, direction: Direction) -> tuple[Allow, ...]:
        """Return what is allowed in one direction, without peers that match no host: an empty list of peers would match every host."""
        return tuple(allow for allow in self.allows if allow.direction is direction and allow.peer != NOBODY)
