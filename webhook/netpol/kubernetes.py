"""Intents as networking.k8s.io/v1 NetworkPolicies: the floor that every engine enforces."""

from typing import Any

from webhook.model.policy import DnsEndpoint
from webhook.netpol.intent import Intent
from webhook.netpol.manifest import Birth, Manifest, metadata, port_and_protocol

API_VERSION = "networking.k8s.io/v1"


def manifest(intent: Intent, birth: Birth) -> Manifest:
    """One intent as a manifest for `kubectl apply`."""
    spec: dict[str, Any] = {"podSelector": {}, "policyTypes": [str(direction) for direction in intent.directions]}
    if intent.egress:
        spec["egress"] = [rule(endpoint) for endpoint in intent.egress]
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": metadata(intent.name, birth, labels={}),
        "spec": spec,
    }


def rule(endpoint: DnsEndpoint) -> dict[str, Any]:
    """One name server as an egress rule."""
    ports = [port_and_protocol(text) for text in endpoint.ports]
    return {"to": peers(endpoint), "ports": [{"port": port, "protocol": protocol} for port, protocol in ports]}


def peers(endpoint: DnsEndpoint) -> list[dict[str, Any]]:
    """Whom a rule reaches: Pods by labels, or networks."""
    if endpoint.cidrs:
        return [{"ipBlock": {"cidr": cidr}} for cidr in endpoint.cidrs]
    return [
        {
            "namespaceSelector": {"matchLabels": dict(endpoint.namespace_labels)},
            "podSelector": {"matchLabels": dict(endpoint.pod_labels)},
        }
    ]
