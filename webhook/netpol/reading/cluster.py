"""Cluster-wide policies of the policy API (policy.networking.k8s.io): ClusterNetworkPolicy, AdminNetworkPolicy.

Only an Accept (Allow before v1alpha2) of the admin tier goes before NetworkPolicies; Pass leads to them, and what is
said in the baseline tier counts only where no NetworkPolicy selects a Pod.
https://network-policy-api.sigs.k8s.io/api-overview/
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from webhook.model.fields import PortRange
from webhook.model.selector import EVERYTHING, AllOf, Has, Selector, both
from webhook.model.traffic import EVERYBODY, Allow, Direction, Networks, Opening, Peer, Pods
from webhook.netpol.reading.addresses import networks
from webhook.netpol.reading.kubernetes import LabelSelector

BASELINE = "Baseline"
OPENING = ("Accept", "Allow")


class SomePods(Struct, rename="camel"):
    """`pods` of a subject or a peer."""

    namespace_selector: LabelSelector = msgspec.field(default_factory=LabelSelector)
    pod_selector: LabelSelector = msgspec.field(default_factory=LabelSelector)


class Whom(Struct, rename="camel"):
    """A subject or a peer: one of these."""

    namespaces: LabelSelector | None = None
    pods: SomePods | None = None
    networks: list[str] | None = None
    nodes: LabelSelector | None = None
    domain_names: list[str] | None = None


class Number(Struct):
    """A port of v1alpha1."""

    protocol: str
    port: int


class Range(Struct):
    """A range of ports of v1alpha1."""

    protocol: str
    start: int
    end: int


class Port(Struct, rename="camel"):
    """An entry of `ports` (v1alpha1)."""

    port_number: Number | None = None
    port_range: Range | None = None


class Rule(Struct):
    """An entry of `ingress` or `egress`; `protocols` (v1alpha2) counts as every port of what it names."""

    action: str
    sources: list[Whom] | None = msgspec.field(default=None, name="from")
    to: list[Whom] | None = None
    ports: list[Port] | None = None
    protocols: list[dict[str, Any]] | None = None


class Spec(Struct):
    """The policy's `spec`."""

    tier: str = "Admin"
    subject: Whom = msgspec.field(default_factory=Whom)
    ingress: list[Rule] | None = None
    egress: list[Rule] | None = None


class Policy(Struct):
    """The object, as far as we read it."""

    spec: Spec = msgspec.field(default_factory=Spec)


def openings(source: Any) -> tuple[Opening, ...]:
    """What a cluster-wide policy lets through; raises msgspec.ValidationError or ValueError."""
    spec = msgspec.convert(source, Policy).spec
    if spec.tier == BASELINE:
        return ()
    subject = subject_of(spec.subject)
    return tuple(
        Opening(f"spec.{direction.lower()}[{number}]", subject, Allow(direction, peer, tuple(ports(rule))))
        for direction, rules in ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress))
        for number, rule in enumerate(rules or ())
        if rule.action in OPENING
        for peer in map(peer_of, (rule.sources if direction is Direction.INGRESS else rule.to) or [Whom()])
    )


def subject_of(found: Whom) -> Selector:
    """The Pods that a policy is about, by their labels and those of their namespaces."""
    if found.pods:
        return both(found.pods.pod_selector.read(), found.pods.namespace_selector.read())
    return found.namespaces.read() if found.namespaces else EVERYTHING


def peer_of(found: Whom) -> Peer:
    """Whom a rule reaches."""
    if found.networks:
        return Networks(networks(found.networks))
    if found.pods:
        return Pods(found.pods.pod_selector.read(), found.pods.namespace_selector.read())
    if found.namespaces:
        return Pods(EVERYTHING, found.namespaces.read())
    if found.nodes or found.domain_names:  # somebody in particular, whom no label of a Pod tells
        return Pods(EVERYTHING, AllOf((Has("node"),)) if found.nodes else AllOf((Has("domain"),)))
    return EVERYBODY


def ports(rule: Rule) -> Iterator[PortRange]:
    """A rule's ports; none where it says them in a way that we do not read."""
    for one in rule.ports or ():
        if one.port_number:
            yield PortRange(one.port_number.protocol, one.port_number.port, one.port_number.port)
        elif one.port_range:
            yield PortRange(one.port_range.protocol, one.port_range.start, one.port_range.end)
