"""All that closes one namespace."""

from collections.abc import Iterator

from webhook.model.fields import port_range
from webhook.model.names import ALLOW_DNS, DEFAULT_DENY
from webhook.model.network import DnsEndpoint
from webhook.model.policy import GuardPolicy
from webhook.model.selector import labels
from webhook.model.traffic import Allow, Direction, Networks, Pods
from webhook.netpol.dns import endpoints
from webhook.netpol.flows import flow_intents
from webhook.netpol.intent import Intent
from webhook.netpol.presets import preset_intents

DENY = Intent(DEFAULT_DENY)


def intents(policy: GuardPolicy, namespace: str, environment: str, *, detected_dns: str) -> Iterator[Intent]:
    """What closes a namespace, in the order in which it is to be stored: the closing one first.

    `environment` is the one that the namespace is in, empty for none; `detected_dns` is the preset that stands for
    `auto` in this cluster.
    """
    yield DENY
    allows = name_servers(policy, detected_dns=detected_dns)
    if allows:
        yield Intent(ALLOW_DNS, (Direction.EGRESS,), allows)
    yield from preset_intents(policy.network)
    yield from flow_intents(policy, namespace, environment)


def name_servers(policy: GuardPolicy, *, detected_dns: str) -> tuple[Allow, ...]:
    """What stays open towards name servers."""
    return tuple(
        Allow(Direction.EGRESS, peer(endpoint), tuple(map(port_range, endpoint.ports)))
        for endpoint in endpoints(policy.network.dns, detected=detected_dns)
    )


def peer(endpoint: DnsEndpoint) -> Pods | Networks:
    """A name server as a peer."""
    if endpoint.cidrs:
        return Networks(endpoint.cidrs)
    return Pods(labels(endpoint.pod_labels), labels(endpoint.namespace_labels))
