"""Intents as projectcalico.org/v3 NetworkPolicies.

Only Allow rules, positive matches and numeric ports: Felix on Windows nodes skips everything else with no more than a
log line (felix/dataplane/windows/policysets). A policy without rules closes by the end of its tier, so its order does
not matter and no Deny of ours ever beats a user's NetworkPolicy, which Calico puts at order 1000.
"""

from collections.abc import Iterator
from ipaddress import ip_network
from itertools import groupby
from typing import Any

from webhook.model.policy import DnsEndpoint
from webhook.netpol.intent import Intent
from webhook.netpol.manifest import Birth, Manifest, metadata, port_and_protocol
from webhook.netpol.selector import AllOf, labels, printed

API_VERSION = "projectcalico.org/v3"
TIER = "default"
# Calico's API server sets this label itself; sent along, it makes no difference between what we wrote and what stands.
TIER_LABEL = "projectcalico.org/tier"


def manifest(intent: Intent, birth: Birth) -> Manifest:
    """One intent as a manifest for `kubectl apply` and `calicoctl apply`."""
    spec: dict[str, Any] = {
        "tier": TIER,
        "selector": printed(AllOf(())),
        # Stated always: without rules, Calico would take a missing `types` for [Ingress].
        "types": [str(direction) for direction in intent.directions],
    }
    if intent.egress:
        spec["egress"] = [rule for endpoint in intent.egress for rule in rules(endpoint)]
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": metadata(intent.name, birth, labels={TIER_LABEL: TIER}),
        "spec": spec,
    }


def rules(endpoint: DnsEndpoint) -> Iterator[dict[str, Any]]:
    """One name server as egress rules: one a protocol and IP version, for Calico mixes neither in a rule."""
    ports = sorted((protocol, port) for port, protocol in map(port_and_protocol, endpoint.ports))
    for protocol, group in groupby(ports, key=lambda pair: pair[0]):
        numbers = [port for _, port in group]
        for peer in destinations(endpoint):
            yield {"action": "Allow", "protocol": protocol, "destination": {**peer, "ports": numbers}}


def destinations(endpoint: DnsEndpoint) -> Iterator[dict[str, Any]]:
    """Whom a rule reaches: Pods by labels, or networks of one IP version."""
    if not endpoint.cidrs:
        yield {
            # Without it the selector would mean Pods of the policy's own namespace.
            "namespaceSelector": printed(labels(endpoint.namespace_labels)),
            "selector": printed(labels(endpoint.pod_labels)),
        }
        return
    networks = sorted(endpoint.cidrs, key=lambda text: ip_network(text).version)
    for _, group in groupby(networks, key=lambda text: ip_network(text).version):
        yield {"nets": list(group)}
