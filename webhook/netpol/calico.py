"""Render intents as projectcalico.org/v3 NetworkPolicies, and the cluster-wide default deny.

The policies have only Allow rules, positive matches and numeric ports: Felix on Windows nodes skips everything else with only a
log line (felix/dataplane/windows/policysets). A policy without rules denies at the end of its tier. So its order does not matter, and
no Deny of catflap overrides a user's NetworkPolicy, to which Calico gives order 1000.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from typing import Any, TypeVar

from webhook.model.fields import MOST_NETWORKS, MOST_PORTS, PortRange
from webhook.model.selector import AllOf, Has, Like, Not, OneOf, Selector, printed
from webhook.model.traffic import Allow, Direction, Peer, Pods
from webhook.netpol.intent import Intent
from webhook.netpol.manifest import Manifest, RenderTarget, manifest_metadata

Item = TypeVar("Item")

API_VERSION = "projectcalico.org/v3"
TIER = "default"
# Calico adds this label to every Pod (libcalico-go, lib/backend/k8s/conversion).
NAMESPACE_OF_POD = "projectcalico.org/namespace"
# Calico's API server sets this label itself. The manifest includes it, so that the stored policy equals the manifest.
TIER_LABEL = "projectcalico.org/tier"


def manifest(intent: Intent, target: RenderTarget) -> Manifest:
    """Return one intent as a manifest for `kubectl apply` and `calicoctl apply`."""
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": manifest_metadata(intent.name, target, labels={TIER_LABEL: TIER}),
        "spec": spec(intent, intent.subject),
    }


def cluster_wide_default_deny(intent: Intent, target: RenderTarget, exempt: Collection[str]) -> Manifest:
    """Return the policy that isolates every Pod outside of the exempt names and prefixes, also in future namespaces.

    It selects by the label that Calico gives each Pod, so it does not select host endpoints, and it needs no label of a
    namespace. Raises ValueError where the exempt names are too many for one selector.
    """
    names = tuple(sorted(one for one in exempt if not one.endswith("*")))
    stems = sorted(one[:-1] for one in exempt if one.endswith("*"))
    reserved = (Not(Like(NAMESPACE_OF_POD, "starts with", stem)) for stem in stems)
    pods = AllOf((Has(NAMESPACE_OF_POD), Not(OneOf(NAMESPACE_OF_POD, names)), *reserved))
    hints = {"performanceHints": ["AssumeNeededOnEveryNode"]}  # present on each node before the first selected Pod
    return {
        "apiVersion": API_VERSION,
        "kind": "GlobalNetworkPolicy",
        "metadata": manifest_metadata(intent.name, target, labels={TIER_LABEL: TIER}),
        "spec": {**spec(intent, pods), **hints},
    }


def staged_manifest(written: Manifest) -> Manifest:
    """Return the staged kind of a policy, which only shows its effect."""
    return {**written, "kind": f"Staged{written['kind']}", "spec": {**written["spec"], "stagedAction": "Set"}}


def spec(intent: Intent, subject: Selector) -> dict[str, Any]:
    """Return the spec that isolates the Pods that `subject` selects, and allows what the intent allows."""
    rules = {
        direction.lower(): [rule for allow in allows for rule in allow_rules(allow)]
        for direction in Direction
        if (allows := intent.allowed(direction))
    }
    return {
        "tier": TIER,
        "selector": printed(subject),
        # Always present: without rules, Calico takes a missing `types` for [Ingress].
        "types": [str(direction) for direction in intent.directions],
        **rules,
    }


def allow_rules(allow: Allow) -> Iterator[dict[str, Any]]:
    """Yield the rules of one allowance, one per protocol and IP version: Calico mixes neither in a rule, and limits the length of lists."""
    peers = list(peer_entities(allow.peer))
    for protocol, some in ports_by_protocol(allow.ports):
        for peer in peers:
            yield {"action": "Allow", "protocol": protocol, **source_and_destination(allow.direction, peer, some)}


def ports_by_protocol(ports: Iterable[PortRange]) -> Iterator[tuple[str, list[int | str]]]:
    """Yield the ports by protocol, in lists that fit into a rule."""
    for protocol, group in groupby(sorted(set(ports)), key=lambda one: one.protocol):
        for some in batches(list(map(port, group)), MOST_PORTS):
            yield protocol, some


def source_and_destination(direction: Direction, peer: dict[str, Any], ports: list[int | str]) -> dict[str, Any]:
    """Return source and destination of a rule; the ports belong to the destination."""
    if direction is Direction.EGRESS:
        return {"destination": {**peer, "ports": ports}}
    return {"source": peer, "destination": {"ports": ports}}


def port(ports: PortRange) -> int | str:
    """Return a port or a range."""
    return ports.first if ports.first == ports.last else f"{ports.first}:{ports.last}"


def peer_entities(peer: Peer) -> Iterator[dict[str, Any]]:
    """Yield the peers of a rule: Pods by labels, or networks of one IP version."""
    if isinstance(peer, Pods):
        # Without a namespaceSelector the selector means Pods of the policy's own namespace.
        namespaces = {} if peer.namespaces is None else {"namespaceSelector": printed(peer.namespaces)}
        yield {**namespaces, "selector": printed(peer.labels)}
        return
    for _, group in groupby(sorted_by_ip_version(peer.cidrs), key=is_ipv6):
        for some in batches(list(group), MOST_NETWORKS):
            yield {"nets": some}


def sorted_by_ip_version(cidrs: Iterable[str]) -> list[str]:
    """Return the networks, IPv4 first, otherwise in their order."""
    return sorted(cidrs, key=is_ipv6)


def is_ipv6(cidr: str) -> bool:
    """Return whether a network is an IPv6 network."""
    return ":" in cidr


def batches(items: list[Item], size: int) -> list[list[Item]]:
    """Return a list in parts of at most `size` items."""
    return [items[begin : begin + size] for begin in range(0, len(items), size)]
