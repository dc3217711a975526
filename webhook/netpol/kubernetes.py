"""Render intents as networking.k8s.io/v1 NetworkPolicies, which every engine enforces."""

from typing import Any

from webhook.model.fields import PortRange
from webhook.model.selector import AllOf, Equals, OneOf, Selector
from webhook.model.traffic import Allow, Direction, Peer, Pods
from webhook.netpol.intent import Intent
from webhook.netpol.manifest import Manifest, RenderTarget, manifest_metadata

API_VERSION = "networking.k8s.io/v1"
PEERS = {Direction.INGRESS: "from", Direction.EGRESS: "to"}


def manifest(intent: Intent, target: RenderTarget) -> Manifest:
    """Return one intent as a manifest for `kubectl apply`."""
    spec: dict[str, Any] = {
        "podSelector": label_selector(intent.subject),
        "policyTypes": [str(direction) for direction in intent.directions],
    }
    for direction in Direction:
        if allows := intent.allowed(direction):
            spec[direction.lower()] = [rule(allow) for allow in allows]
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": manifest_metadata(intent.name, target, labels={}),
        "spec": spec,
    }


def rule(allow: Allow) -> dict[str, Any]:
    """Return one rule of a direction."""
    return {PEERS[allow.direction]: peers(allow.peer), "ports": [port(one) for one in allow.ports]}


def port(ports: PortRange) -> dict[str, Any]:
    """Return a port or a range."""
    end = {"endPort": ports.last} if ports.last > ports.first else {}
    return {"port": ports.first, **end, "protocol": ports.protocol}


def peers(peer: Peer) -> list[dict[str, Any]]:
    """Return the peers of a rule: Pods by labels, or networks."""
    if not isinstance(peer, Pods):
        return [{"ipBlock": {"cidr": cidr}} for cidr in peer.cidrs]
    by_namespace = {} if peer.namespaces is None else {"namespaceSelector": label_selector(peer.namespaces)}
    return [{**by_namespace, "podSelector": label_selector(peer.labels)}]


def label_selector(selector: Selector) -> dict[str, Any]:
    """Return a selector of equalities and sets as a LabelSelector; an empty one selects everything.

    Raises ValueError for any other selector; catflap's intents have none.
    """
    parts = selector.parts if isinstance(selector, AllOf) else (selector,)
    equal = {part.key: part.value for part in parts if isinstance(part, Equals)}
    sets = [
        {"key": part.key, "operator": "In", "values": list(part.values)} for part in parts if isinstance(part, OneOf)
    ]
    if len(equal) + len(sets) < len(parts):
        raise ValueError(f"a LabelSelector of ours does not say {selector}")
    return {**({"matchLabels": equal} if equal else {}), **({"matchExpressions": sets} if sets else {})}
