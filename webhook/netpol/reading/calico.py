"""Calico's policies and tiers (projectcalico.org/v3, api/pkg/apis/projectcalico/v3).

Allow opens; so does Pass in the tier `default`, as after it come the profiles, which allow (libcalico-go, conversion).
Deny and Log open nothing, and Pass in another tier leads to the tier `default`, where namespaces are closed.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from webhook.model.fields import HIGHEST_PORT, PortRange
from webhook.model.selector import EVERYTHING, AllOf, Equals, OneOf, Selector, both
from webhook.model.traffic import EVERYBODY, Allow, Direction, Networks, Opening, Peer, Pods
from webhook.netpol.calico import TIER
from webhook.netpol.reading.addresses import networks
from webhook.netpol.reading.selectors import parse

WITH_PORTS = ("TCP", "UDP", "SCTP", "UDPLite")
SERVICE_ACCOUNT = "projectcalico.org/serviceaccount"
SERVICE = "service"


class Accounts(Struct):
    """`serviceAccounts` of an entity."""

    names: list[str] | None = None
    selector: str = ""


class Service(Struct):
    """`services` of an entity."""

    name: str = ""
    namespace: str = ""


class Entity(Struct, rename="camel"):
    """`source` or `destination` of a rule; what it only says negatively does not count."""

    nets: list[str] | None = None
    selector: str = ""
    namespace_selector: str = ""
    ports: list[int | str] | None = None
    services: Service | None = None
    service_accounts: Accounts | None = None


class Rule(Struct):
    """An entry of `ingress` or `egress`."""

    action: str
    protocol: int | str | None = None
    source: Entity = msgspec.field(default_factory=Entity)
    destination: Entity = msgspec.field(default_factory=Entity)


class Spec(Struct, rename="camel"):
    """The policy's `spec`."""

    tier: str = TIER
    selector: str = ""
    namespace_selector: str = ""
    service_account_selector: str = ""
    types: list[str] | None = None
    ingress: list[Rule] | None = None
    egress: list[Rule] | None = None


class Policy(Struct):
    """The object, as far as we read it."""

    spec: Spec = msgspec.field(default_factory=Spec)


class TierSpec(Struct, rename="camel"):
    """A tier's `spec`."""

    default_action: str = "Deny"


class Metadata(Struct):
    """A tier's name."""

    name: str = ""


class Tier(Struct):
    """A tier, as far as we read it."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: TierSpec = msgspec.field(default_factory=TierSpec)


def openings(source: Any) -> tuple[Opening, ...]:
    """What a NetworkPolicy lets through; raises msgspec.ValidationError or ValueError."""
    return tuple(read(msgspec.convert(source, Policy).spec, nearby=None))


def global_openings(source: Any) -> tuple[Opening, ...]:
    """What a GlobalNetworkPolicy lets through: a selector alone means Pods of every namespace there."""
    return tuple(read(msgspec.convert(source, Policy).spec, nearby=EVERYTHING))


def tier_openings(source: Any) -> tuple[Opening, ...]:
    """A tier lets everything through if it is the one that closes, and passes on what it does not know."""
    tier = msgspec.convert(source, Tier)
    if (tier.metadata.name, tier.spec.default_action) != (TIER, "Pass"):
        return ()
    return tuple(Opening("spec.defaultAction", EVERYTHING, Allow(direction, EVERYBODY, ())) for direction in Direction)


def read(spec: Spec, *, nearby: Selector | None) -> Iterator[Opening]:
    """The openings of a spec; `nearby` is where a rule's Pods are that says nothing of namespaces."""
    opening = {"Allow", "Pass"} if spec.tier in {TIER, ""} else {"Allow"}
    subject = both(both(parse(spec.selector), parse(spec.namespace_selector)), parse(spec.service_account_selector))
    for direction, rules in ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress)):
        if spec.types and direction not in spec.types:
            continue
        for number, rule in enumerate(rules or ()):
            if rule.action in opening:
                other = rule.source if direction is Direction.INGRESS else rule.destination
                allow = Allow(direction, peer(other, nearby), tuple(ports(rule)))
                yield Opening(f"spec.{direction.lower()}[{number}]", subject, allow)


def peer(entity: Entity, nearby: Selector | None) -> Peer:
    """Whom a rule reaches: without any word on it, everybody."""
    if entity.nets:
        return Networks(networks(entity.nets))
    accounts = entity.service_accounts or Accounts()
    wanted = [parse(text) for text in (entity.selector, accounts.selector) if text]
    if accounts.names:
        wanted.append(OneOf(SERVICE_ACCOUNT, tuple(accounts.names)))
    if entity.services and entity.services.name:
        wanted.append(Equals(SERVICE, entity.services.name))
    if not wanted and not entity.namespace_selector:
        return EVERYBODY
    spaces = parse(entity.namespace_selector) if entity.namespace_selector else nearby
    return Pods(wanted[0] if len(wanted) == 1 else AllOf(tuple(wanted)), spaces)


def ports(rule: Rule) -> Iterator[PortRange]:
    """A rule's ports; a named one may be any, and a protocol that has none stands for itself."""
    protocol = "" if rule.protocol is None else str(rule.protocol)
    if protocol and protocol not in WITH_PORTS:
        yield PortRange(protocol, 0, 0)
        return
    for text in map(str, rule.destination.ports or ()):
        first, _, last = text.partition(":")
        if first.isdigit() and (last or first).isdigit():
            yield PortRange(protocol, int(first), int(last or first))
        else:
            yield PortRange(protocol or "TCP", 1, HIGHEST_PORT)
    if protocol and not rule.destination.ports:
        yield PortRange(protocol, 1, HIGHEST_PORT)
