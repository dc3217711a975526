"""Intents as projectcalico.org/v3 NetworkPolicies, and the net below them all.

Only Allow rules, positive matches and numeric ports: Felix on Windows nodes skips everything else with no more than a
log line (felix/dataplane/windows/policysets). A policy without rules closes by the end of its tier, so its order does
not matter and no Deny of ours ever beats a user's NetworkPolicy, which Calico puts at order 1000.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from typing import Any, TypeVar

from webhook.model.fields import MOST_NETWORKS, MOST_PORTS, PortRange
from webhook.model.selector import AllOf, Has, Like, Not, OneOf, Selector, printed
from webhook.model.traffic import Allow, Direction, Peer, Pods
from webhook.netpol.intent import Intent
from webhook.netpol.manifest import Manifest, RenderTarget, metadata

Item = TypeVar("Item")

API_VERSION = "projectcalico.org/v3"
TIER = "default"
# On every Pod, from Calico itself (libcalico-go, lib/backend/k8s/conversion).
NAMESPACE_OF_POD = "projectcalico.org/namespace"
# Calico's API server sets this label itself; sent along, it makes no difference between what we wrote and what stands.
TIER_LABEL = "projectcalico.org/tier"


def manifest(intent: Intent, birth: RenderTarget) -> Manifest:
    """One intent as a manifest for `kubectl apply` and `calicoctl apply`."""
    return {
        "apiVersion": API_VERSION,
        "kind": "NetworkPolicy",
        "metadata": metadata(intent.name, birth, labels={TIER_LABEL: TIER}),
        "spec": spec(intent, intent.subject),
    }


def cluster_wide_default_deny(intent: Intent, birth: RenderTarget, exempt: Collection[str]) -> Manifest:
    """The net that closes every Pod outside of the exempt names and prefixes, those of namespaces to come as well.

    It selects by the label that Calico gives each Pod itself, so host endpoints are not meant, and no label of a
    namespace has to be known first. Raises ValueError where the exempt names are too many for one selector.
    """
    names = tuple(sorted(one for one in exempt if not one.endswith("*")))
    stems = sorted(one[:-1] for one in exempt if one.endswith("*"))
    reserved = (Not(Like(NAMESPACE_OF_POD, "starts with", stem)) for stem in stems)
    pods = AllOf((Has(NAMESPACE_OF_POD), Not(OneOf(NAMESPACE_OF_POD, names)), *reserved))
    hints = {"performanceHints": ["AssumeNeededOnEveryNode"]}  # on each node before the first Pod that it selects
    return {
        "apiVersion": API_VERSION,
        "kind": "GlobalNetworkPolicy",
        "metadata": metadata(intent.name, birth, labels={TIER_LABEL: TIER}),
        "spec": {**spec(intent, pods), **hints},
    }


def staged_manifest(written: Manifest) -> Manifest:
    """The same policy as one that shows what it would do, and does nothing."""
    return {**written, "kind": f"Staged{written['kind']}", "spec": {**written["spec"], "stagedAction": "Set"}}


def spec(intent: Intent, subject: Selector) -> dict[str, Any]:
    """What closes the Pods that `subject` selects, and leaves open what the intent says."""
    rules = {
        direction.lower(): [rule for allow in allows for rule in allow_rules(allow)]
        for direction in Direction
        if (allows := intent.allowed(direction))
    }
    return {
        "tier": TIER,
        "selector": printed(subject),
        # Stated always: without rules, Calico would take a missing `types` for [Ingress].
        "types": [str(direction) for direction in intent.directions],
        **rules,
    }


def allow_rules(allow: Allow) -> Iterator[dict[str, Any]]:
    """What is open as rules: one a protocol and IP version, for Calico mixes neither in a rule, nor takes long lists."""
    peers = list(peer_entities(allow.peer))
    for protocol, some in ports_by_protocol(allow.ports):
        for peer in peers:
            yield {"action": "Allow", "protocol": protocol, **source_and_destination(allow.direction, peer, some)}


def ports_by_protocol(ports: Iterable[PortRange]) -> Iterator[tuple[str, list[int | str]]]:
    """Ports by protocol, as many as a rule takes."""
    for protocol, group in groupby(sorted(set(ports)), key=lambda one: one.protocol):
        for some in batches(list(map(port, group)), MOST_PORTS):
            yield protocol, some


def source_and_destination(direction: Direction, peer: dict[str, Any], ports: list[int | str]) -> dict[str, Any]:
    """Source and destination: the ports are those of whoever is connected to."""
    if direction is Direction.EGRESS:
        return {"destination": {**peer, "ports": ports}}
    return {"source": peer, "destination": {"ports": ports}}


def port(ports: PortRange) -> int | str:
    """A port or a range."""
    return ports.first if ports.first == ports.last else f"{ports.first}:{ports.last}"


def peer_entities(peer: Peer) -> Iterator[dict[str, Any]]:
    """Whom a rule reaches: Pods by labels, or networks of one IP version."""
    if isinstance(peer, Pods):
        # Without a namespaceSelector the selector means Pods of the policy's own namespace.
        spaces = {} if peer.namespaces is None else {"namespaceSelector": printed(peer.namespaces)}
        yield {**spaces, "selector": printed(peer.labels)}
        return
    for _, group in groupby(sorted_by_ip_version(peer.cidrs), key=is_ipv6):
        for some in batches(list(group), MOST_NETWORKS):
            yield {"nets": some}


def sorted_by_ip_version(cidrs: Iterable[str]) -> list[str]:
    """Networks, IPv4 first, else in their order."""
    return sorted(cidrs, key=is_ipv6)


def is_ipv6(cidr: str) -> bool:
    """Whether a network is of IPv6."""
    return ":" in cidr


def batches(items: list[Item], most: int) -> list[list[Item]]:
    """A list in pieces of at most `most`."""
    return [items[begin : begin + most] for begin in range(0, len(items), most)]
