"""What Calico takes, written down once more from its sources, so that our renderer is not its own judge.

projectcalico.org/v3: api/pkg/apis/projectcalico/v3 (types and limits), libcalico-go/lib/selector (the selector language)
and libcalico-go/lib/validator/v3 (the rules across fields). Only what we write is known here; all else is a complaint.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

LONGEST_SELECTOR: Final = 1024
MOST_PORTS: Final = 50
MOST_NETS: Final = 256
WITH_PORTS: Final = ("TCP", "UDP", "SCTP")
# Safe in every version: older ones want `<tier>.<name>`, newer ones at most one dot, so we use none.
NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
EQUALITY: Final = re.compile(r"""[ \t]*([A-Za-z0-9_./-]{1,512})[ \t]*==[ \t]*(?:'([^'\n]*)'|"([^"\n]*)")[ \t]*""")


def labels_of(selector: str) -> Mapping[str, str]:
    """The labels that a selector of equalities joined by `&&` asks for, none for `all()`; raises ValueError else."""
    if selector.strip(" \t") in {"", "all()"}:
        return {}
    found: dict[str, str] = {}
    at = 0
    while True:
        match = EQUALITY.match(selector, at)
        if not match:
            raise ValueError(f"no selector: {selector!r} at {at}")
        key, single, double = match.groups()
        if key in found:
            raise ValueError(f"no endpoint has two values of {key!r}")
        found[key] = double if single is None else single
        at = match.end()
        if at == len(selector):
            return found
        if not selector.startswith("&&", at):
            raise ValueError(f"no selector: {selector!r} at {at}")
        at += 2


def complaints(manifest: Mapping[str, Any]) -> list[str]:
    """What Calico, or a Windows node, would not take of a NetworkPolicy."""
    spec = manifest["spec"]
    found = list(unknown("manifest", manifest, {"apiVersion", "kind", "metadata", "spec"}))
    found += unknown("spec", spec, {"tier", "selector", "types", "egress"})
    if (manifest["apiVersion"], manifest["kind"]) != ("projectcalico.org/v3", "NetworkPolicy"):
        found.append("another kind")
    if not NAME.fullmatch(manifest["metadata"]["name"]):
        found.append("the name is not safe in every version")
    if spec.get("tier") != "default" or manifest["metadata"]["labels"].get("projectcalico.org/tier") != "default":
        found.append("the tier is not `default`, in the spec and in the label that Calico sets itself")
    types = set(spec.get("types", ()))
    if not types or not types <= {"Ingress", "Egress"}:
        found.append("types are not stated: without rules they default to [Ingress]")
    if "egress" in spec and "Egress" not in types:
        found.append("rules of a direction that types leave out")
    found += selector_complaints("spec.selector", spec["selector"])
    for number, rule in enumerate(spec.get("egress", ())):
        found += (f"egress[{number}]: {complaint}" for complaint in rule_complaints(rule))
    return found


def rule_complaints(rule: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an egress rule."""
    yield from unknown("rule", rule, {"action", "protocol", "destination"})
    peer = rule["destination"]
    yield from unknown("destination", peer, {"nets", "selector", "namespaceSelector", "ports"})
    if rule["action"] != "Allow":
        yield "only Allow composes with users' own policies"
    if rule.get("protocol") not in WITH_PORTS:
        yield "ports need a protocol that has them"
    yield from port_complaints(peer.get("ports", ()))
    if ("nets" in peer) == ("selector" in peer):
        yield "either networks or Pods"
    yield from net_complaints(peer.get("nets", ()))
    if "selector" in peer:
        if not labels_of(peer.get("namespaceSelector", "")):
            yield "without a namespaceSelector the selector means the policy's own namespace"
        yield from selector_complaints("selector", peer["selector"])
        yield from selector_complaints("namespaceSelector", peer.get("namespaceSelector", ""))


def port_complaints(ports: Collection[Any]) -> Iterator[str]:
    """What is wrong with a rule's ports."""
    if not 1 <= len(ports) <= MOST_PORTS or any(not isinstance(one, int) or not 1 <= one <= 65535 for one in ports):
        yield f"ports are 1 to {MOST_PORTS} numbers, for Windows nodes skip named ones"
    if len(set(ports)) != len(ports):
        yield "a port stands twice"


def net_complaints(nets: Collection[str]) -> Iterator[str]:
    """What is wrong with a rule's networks."""
    if len(nets) > MOST_NETS or len(set(nets)) != len(nets):
        yield f"networks are a set of at most {MOST_NETS}"
    if len({ip_network(one).version for one in nets}) > 1:
        yield "two IP versions in one rule"
    if any("%" in one for one in nets):
        yield "a network has no zone"


def selector_complaints(where: str, text: str) -> Iterator[str]:
    """What is wrong with a selector."""
    if len(text) > LONGEST_SELECTOR:
        yield f"{where}: {len(text)} characters"
    try:
        labels_of(text)
    except ValueError as bad:
        yield f"{where}: {bad}"


def unknown(where: str, found: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    """Fields that we do not expect ourselves to write."""
    yield from (f"{where}: {key}?" for key in sorted(found.keys() - known))
