"""Kubernetes' own NetworkPolicies (networking.k8s.io/v1).

https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from webhook.model.fields import HIGHEST_PORT, PortRange
from webhook.model.selector import AllOf, Equals, Has, Not, OneOf, Selector
from webhook.model.traffic import EVERYBODY, Allow, Direction, Networks, Opening, Peer, Pods
from webhook.netpol.reading.addresses import networks


class Requirement(Struct):
    """An entry of `matchExpressions`."""

    key: str
    operator: str
    values: list[str] | None = None


class LabelSelector(Struct, rename="camel"):
    """A selector of any Kubernetes API."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None

    def read(self) -> AllOf:
        """The selector as a tree; raises ValueError for an operator that Kubernetes does not know."""
        equal = [Equals(key, value) for key, value in sorted((self.match_labels or {}).items())]
        return AllOf((*equal, *map(requirement, self.match_expressions or ())))


class IpBlock(Struct):
    """`ipBlock`; what it leaves out does not count here."""

    cidr: str


class PolicyPeer(Struct, rename="camel"):
    """An entry of `from` or `to`."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None


class Port(Struct, rename="camel"):
    """An entry of `ports`."""

    protocol: str | None = None
    port: int | str | None = None
    end_port: int | None = None


class Rule(Struct):
    """An entry of `ingress` or `egress`."""

    sources: list[PolicyPeer] | None = msgspec.field(default=None, name="from")
    to: list[PolicyPeer] | None = None
    ports: list[Port] | None = None


class Spec(Struct, rename="camel"):
    """The policy's `spec`."""

    pod_selector: LabelSelector | None = None
    policy_types: list[str] | None = None
    ingress: list[Rule] | None = None
    egress: list[Rule] | None = None


class Policy(Struct):
    """The object, as far as we read it."""

    spec: Spec | None = None


def openings(source: Any) -> tuple[Opening, ...]:
    """What a NetworkPolicy lets through; raises msgspec.ValidationError or ValueError."""
    spec = msgspec.convert(source, Policy).spec or Spec()
    subject = (spec.pod_selector or LabelSelector()).read()
    return tuple(
        Opening(f"spec.{direction.lower()}[{number}]", subject, Allow(direction, peer, ports(rule)))
        for direction, rules in ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress))
        if not spec.policy_types or direction in spec.policy_types
        for number, rule in enumerate(rules or ())
        for peer in peers(rule.sources if direction is Direction.INGRESS else rule.to)
    )


def peers(found: list[PolicyPeer] | None) -> Iterator[Peer]:
    """Whom a rule reaches: without any peer, everybody; its networks count together."""
    if not found:
        yield EVERYBODY
        return
    if cidrs := [one.ip_block.cidr for one in found if one.ip_block is not None]:
        yield Networks(networks(cidrs))
    for one in found:
        if one.ip_block is None:
            spaces = one.namespace_selector
            yield Pods((one.pod_selector or LabelSelector()).read(), None if spaces is None else spaces.read())


def ports(rule: Rule) -> tuple[PortRange, ...]:
    """A rule's ports; a named one may be any."""
    return tuple(port(one) for one in rule.ports or ())


def port(found: Port) -> PortRange:
    """One port, range, or protocol as a whole."""
    protocol = found.protocol or "TCP"
    if not isinstance(found.port, int):
        return PortRange(protocol, 1, HIGHEST_PORT)
    return PortRange(protocol, found.port, found.end_port or found.port)


def requirement(found: Requirement) -> Selector:
    """One expression as a tree."""
    values = tuple(found.values or ())
    match found.operator:
        case "In":
            return OneOf(found.key, values)
        case "NotIn":
            return Not(OneOf(found.key, values))
        case "Exists":
            return Has(found.key)
        case "DoesNotExist":
            return Not(Has(found.key))
    raise ValueError(f"{found.operator!r} is no operator of a label selector")
