"""Collect all policies of one namespace as intents."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from msgspec import structs

from webhook.model.fields import port_range
from webhook.model.names import ALLOW_DNS, DEFAULT_DENY
from webhook.model.network import DnsEndpoint
from webhook.model.policy import GuardPolicy
from webhook.model.selector import labels
from webhook.model.traffic import Allow, Direction, Networks, Pods
from webhook.netpol.dns import DetectedDns, dns_endpoints
from webhook.netpol.flows import flow_intents
from webhook.netpol.intent import Intent
from webhook.netpol.presets import preset_intents

IPV4: Final = 4

DENY_ALL = Intent(DEFAULT_DENY)


def namespace_intents(
    policy: GuardPolicy, namespace: str, environment: str, *, detected_dns: DetectedDns
) -> Iterator[Intent]:
    """Yield the policies of a namespace in the order in which they must be stored: the default-deny first.

    `environment` is that of the namespace, empty for none; `detected_dns` are the name servers of this cluster.
    """
    yield DENY_ALL
    allows = name_server_allows(policy, detected_dns=detected_dns)
    if allows:
        yield Intent(ALLOW_DNS, (Direction.EGRESS,), allows)
    yield from preset_intents(policy.network)
    yield from flow_intents(policy, namespace, environment)


def name_server_allows(policy: GuardPolicy, *, detected_dns: DetectedDns) -> tuple[Allow, ...]:
    """Return what is allowed towards name servers."""
    if policy.network.windows_nodes:  # Windows nodes have no IPv6 policies
        addresses = tuple(one for one in detected_dns.addresses if ip_address(one).version == IPV4)
        detected_dns = structs.replace(detected_dns, addresses=addresses)
    return tuple(
        Allow(Direction.EGRESS, peer(endpoint), tuple(map(port_range, endpoint.ports)))
        for endpoint in dns_endpoints(policy.network.dns, detected=detected_dns)
    )


def peer(endpoint: DnsEndpoint) -> Pods | Networks:
    """Return a name server as a peer."""
    if endpoint.cidrs:
        return Networks(endpoint.cidrs)
    return Pods(labels(endpoint.pod_labels), labels(endpoint.namespace_labels))
