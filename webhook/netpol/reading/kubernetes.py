"""Kubernetes' own NetworkPolicies (networking.k8s.io/v1).

https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from webhook.model.addresses import Addresses, addresses, union
from webhook.model.fields import HIGHEST_PORT, PortRange
from webhook.model.opening import EVERYBODY, Opening, Peers, Selected
from webhook.model.ports import NamedPort, ports
from webhook.model.traffic import Direction
from webhook.netpol.reading.error_paths import UnreadableParts, prefix_errors
from webhook.netpol.reading.labels import NO_SELECTOR, LabelSelector
from webhook.netpol.reading.limits import check_size


class IpBlock(Struct):
    """`ipBlock`."""

    cidr: str
    without: list[str] | None = msgspec.field(default=None, name="except")

    def read(self) -> Addresses:
        """Return its addresses; raises ValueError for text that is not a network."""
        return addresses((self.cidr,)) - addresses(self.without or ())

    def __str__(self) -> str:
        return f"{self.cidr} with exceptions" if self.without else self.cidr


class NetworkPolicyPeer(Struct, rename="camel"):
    """An entry of `from` or `to`."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IpBlock | None = None

    def read(self) -> Selected:
        """Return the Pods that it selects."""
        namespaces = self.namespace_selector
        return Selected((self.pod_selector or NO_SELECTOR).read(), None if namespaces is None else namespaces.read())


class NetworkPolicyPort(Struct, rename="camel"):
    """An entry of `ports`."""

    protocol: str | None = None
    port: int | str | None = None
    end_port: int | None = None


class NetworkPolicyRule(Struct):
    """An entry of `ingress` or `egress`."""

    sources: list[NetworkPolicyPeer] | None = msgspec.field(default=None, name="from")
    to: list[NetworkPolicyPeer] | None = None
    ports: list[NetworkPolicyPort] | None = None


class NetworkPolicySpec(Struct, rename="camel"):
    """The policy's `spec`."""

    pod_selector: LabelSelector | None = None
    policy_types: list[str] | None = None
    ingress: list[NetworkPolicyRule] | None = None
    egress: list[NetworkPolicyRule] | None = None


class KubernetesPolicy(Struct):
    """A NetworkPolicy, without unused fields."""

    spec: NetworkPolicySpec | None = None


def openings(found: KubernetesPolicy) -> tuple[Opening, ...]:
    """Return the openings of a NetworkPolicy; raises ValueError."""
    spec = found.spec or NetworkPolicySpec()
    check_size(parts_of(spec))
    for number, name in enumerate(spec.policy_types or ()):
        if name not in set(Direction):
            raise ValueError(f"spec.policyTypes[{number}]: {name[:60]!r} is not Ingress or Egress")
    with prefix_errors("spec.podSelector"):
        subject = Selected((spec.pod_selector or NO_SELECTOR).read())
    read, unread = list[Opening](), UnreadableParts()
    for direction, rules in ((Direction.INGRESS, spec.ingress), (Direction.EGRESS, spec.egress)):
        for number, rule in enumerate(rules or ()):
            path = f"spec.{direction.lower()}[{number}]"
            if not spec.policy_types or direction in spec.policy_types:
                with unread.collect_errors(path):
                    others = peers(rule.sources if direction is Direction.INGRESS else rule.to)
                    read.append(Opening(path, direction, subject, others, ports(ports_of(rule))))
    unread.raise_collected()
    return tuple(read)


def parts_of(spec: NetworkPolicySpec) -> Iterator[int]:
    """Yield how many parts each piece of a spec has."""
    yield (spec.pod_selector or NO_SELECTOR).parts
    for rule in (*(spec.ingress or ()), *(spec.egress or ())):
        yield 1 + len(rule.ports or ())
        for peer in (*(rule.sources or ()), *(rule.to or ())):
            yield 1 + (len(peer.ip_block.without or ()) if peer.ip_block else 0)
            yield (peer.pod_selector or NO_SELECTOR).parts + (peer.namespace_selector or NO_SELECTOR).parts


def peers(found: list[NetworkPolicyPeer] | None) -> Peers:
    """Return the peers of a rule; a rule without entries matches every peer."""
    if not found:
        return EVERYBODY
    blocks = [one.ip_block for one in found if one.ip_block is not None]
    plain = addresses(one.cidr for one in blocks if not one.without)
    networks = union([plain, *(one.read() for one in blocks if one.without)])
    selected = dict.fromkeys(one.read() for one in found if one.ip_block is None)
    return Peers(networks=networks, written=tuple(map(str, blocks)), selected=tuple(selected))


def ports_of(rule: NetworkPolicyRule) -> Iterator[PortRange | NamedPort]:
    """Yield a rule's ports; raises ValueError for a range that ends before it begins."""
    for one in rule.ports or ():
        protocol = one.protocol or "TCP"
        if isinstance(one.port, str):
            yield NamedPort(protocol[:60], one.port[:60])
        elif one.port is None:
            yield PortRange(protocol[:60], 1, HIGHEST_PORT)
        elif one.port > (last := one.end_port or one.port):
            raise ValueError(f"the ports {one.port} to {last} have an end before the start")
        else:
            yield PortRange(protocol[:60], one.port, last)
