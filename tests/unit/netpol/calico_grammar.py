"""A second implementation of Calico's validation, written from its sources, so that the renderer does not check itself.

projectcalico.org/v3: api/pkg/apis/projectcalico/v3 (types and limits), libcalico-go/lib/selector (the selector language)
and libcalico-go/lib/validator/v3 (the rules across fields). Only what we write is known here; all else is a complaint.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv6Network, ip_network
from typing import Any, Final, NamedTuple

LONGEST_SELECTOR: Final = 1024
MOST_RULES: Final = 1024
MOST_PORTS: Final = 50
MOST_NETS: Final = 256
HIGHEST_PORT: Final = 65535
WITH_PORTS: Final = ("TCP", "UDP", "SCTP")
KINDS: Final = ("NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy")
# Valid in every version: older ones require `<tier>.<name>`, newer ones accept at most one dot, so catflap's names have none.
NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
RANGE: Final = re.compile(r"([1-9][0-9]{0,4}):([1-9][0-9]{0,4})")
LITERAL: Final = r"""(?:'[^']*'|"[^"]*")"""
KEY: Final = r"[A-Za-z0-9_./-]{1,512}"
CLAUSE: Final = re.compile(
    rf"""[ \t]*(?:has\([ \t]*(?P<there>{KEY})[ \t]*\)|(?P<key>{KEY})[ \t]*(?:==[ \t]*(?P<value>{LITERAL})"""
    rf"""|(?P<how>in|not[ \t]*in)\b[ \t]*\{{(?P<set>[ \t]*{LITERAL}(?:[ \t]*,[ \t]*{LITERAL})*[ \t]*)\}}))[ \t]*"""
)
# The condition by which a global policy selects Pods only: host endpoints are in no namespace.
IN_A_NAMESPACE: Final = "projectcalico.org/namespace"


class Clause(NamedTuple):
    """One part of a selector: a label, the operator (`has`, `==`, `in`, `not in`), and the values."""

    key: str
    how: str
    values: tuple[str, ...] = ()


def clauses_of(selector: str) -> tuple[Clause, ...]:
    """Return the parts of a selector that are joined by `&&`, none for `all()`; raises ValueError for syntax that catflap never writes."""
    if selector.strip(" \t") in {"", "all()"}:
        return ()
    found: list[Clause] = []
    at = 0
    while True:
        match = CLAUSE.match(selector, at)
        if not match:
            raise ValueError(f"no selector: {selector!r} at {at}")
        literals = tuple(text[1:-1] for text in re.findall(LITERAL, match["value"] or match["set"] or ""))
        how = "has" if match["there"] else "==" if match["value"] else "in" if match["how"] == "in" else "not in"
        found.append(Clause(match["there"] or match["key"], how, literals))
        at = match.end()
        if at == len(selector):
            return tuple(found)
        if not selector.startswith("&&", at):
            raise ValueError(f"no selector: {selector!r} at {at}")
        at += 2


def labels_of(selector: str) -> Mapping[str, str]:
    """Return the labels of a selector of equalities joined by `&&`, none for `all()`; raises ValueError for other selectors."""
    found: dict[str, str] = {}
    for key, how, values in clauses_of(selector):
        if how != "==":
            raise ValueError(f"no selector of equalities: {selector!r}")
        if key in found:
            raise ValueError(f"no endpoint has two values of {key!r}")
        found[key] = values[0]
    return found


def complaints(manifest: Mapping[str, Any]) -> list[str]:
    """Yield what Calico, or a Windows node, would reject in a policy of any of its kinds."""
    spec, metadata, kind = manifest["spec"], manifest["metadata"], manifest["kind"]
    everywhere, staged = "Global" in kind, kind.startswith("Staged")
    known = {"tier", "selector", "types", "ingress", "egress"}
    known |= {"stagedAction"} if staged else set()
    known |= {"performanceHints"} if everywhere else set()
    found = list(unknown("manifest", manifest, {"apiVersion", "kind", "metadata", "spec"}))
    found += unknown("spec", spec, known)
    if manifest["apiVersion"] != "projectcalico.org/v3" or kind not in KINDS:
        found.append("another kind")
    if not NAME.fullmatch(metadata["name"]):
        found.append("the name is not safe in every version")
    if bool(metadata.get("namespace")) == everywhere:
        found.append("a namespace is for policies that are not global")
    if spec.get("tier") != "default" or metadata["labels"].get("projectcalico.org/tier") != "default":
        found.append("the tier is not `default`, in the spec and in the label that Calico sets itself")
    if staged and spec.get("stagedAction") != "Set":
        found.append("staged with any other action, it says something else than the policy to come")
    if not set(spec.get("performanceHints", ())) <= {"AssumeNeededOnEveryNode"}:
        found.append("no such hint")
    found += subject_complaints(spec["selector"], everywhere=everywhere)
    found += direction_complaints(spec, everywhere=everywhere)
    return found


def subject_complaints(selector: str, *, everywhere: bool) -> Iterator[str]:
    """Yield the errors of the selector of a policy."""
    yield from selector_complaints("spec.selector", selector, positive=not everywhere)
    if everywhere and Clause(IN_A_NAMESPACE, "has") not in readable(selector):
        yield "a global policy that is for host endpoints too closes nodes"


def direction_complaints(spec: Mapping[str, Any], *, everywhere: bool) -> Iterator[str]:
    """Yield the errors of the types and rules of a policy."""
    types = spec.get("types", ())
    if not types or not set(types) <= {"Ingress", "Egress"} or len(set(types)) != len(types):
        yield "types are not stated: without rules they default to [Ingress]"
    for direction in ("ingress", "egress"):
        rules = spec.get(direction)
        if rules is None:
            continue
        if direction.title() not in types:
            yield "rules of a direction that types leave out"
        if not 1 <= len(rules) <= MOST_RULES:
            yield f"{direction}: rules are 1 to {MOST_RULES}"
        for number, rule in enumerate(rules):
            for complaint in rule_complaints(rule, direction, everywhere=everywhere):
                yield f"{direction}[{number}]: {complaint}"


def rule_complaints(rule: Mapping[str, Any], direction: str, *, everywhere: bool) -> Iterator[str]:
    """Yield the errors of a rule: the ports belong to the destination, whichever end the peer is."""
    inward = direction == "ingress"
    yield from unknown("rule", rule, {"action", "protocol", "destination"} | ({"source"} if inward else set()))
    if rule["action"] != "Allow":
        yield "only Allow composes with users' own policies"
    if rule.get("protocol") not in WITH_PORTS:
        yield "ports need a protocol that has them"
    yield from port_complaints(rule["destination"].get("ports", ()))
    if inward:
        yield from unknown("destination", rule["destination"], {"ports"})
    peer = rule.get("source", {}) if inward else {k: v for k, v in rule["destination"].items() if k != "ports"}
    yield from unknown("peer", peer, {"nets", "selector", "namespaceSelector"})
    if ("nets" in peer) == ("selector" in peer) or ("nets" in peer and "namespaceSelector" in peer):
        yield "either networks or Pods"
    if "nets" in peer:
        yield from net_complaints(peer["nets"])
    if "selector" in peer:
        yield from pod_complaints(peer, everywhere=everywhere)


def pod_complaints(peer: Mapping[str, Any], *, everywhere: bool) -> Iterator[str]:
    """Yield the errors of Pods as a peer."""
    yield from selector_complaints("selector", peer["selector"])
    if "namespaceSelector" in peer:
        yield from selector_complaints("namespaceSelector", peer["namespaceSelector"])
        if not readable(peer["namespaceSelector"]):
            yield "every namespace"
    elif everywhere:
        yield "in a global policy, a selector alone means every namespace"
    elif not readable(peer["selector"]):
        yield "every Pod of the policy's own namespace"


def port_complaints(ports: Collection[Any]) -> Iterator[str]:
    """Yield the errors of a rule's ports."""
    if not 1 <= len(ports) <= MOST_PORTS or not all(map(is_port, ports)):
        yield f"ports are 1 to {MOST_PORTS} numbers or ranges, for Windows nodes skip named ones"
    if len(set(ports)) != len(ports):
        yield "a port stands twice"


def is_port(port: Any) -> bool:
    """Return whether Calico accepts a numeric port: a number, or `first:last` as a string."""
    if isinstance(port, str) and (match := RANGE.fullmatch(port)):
        return int(match[1]) <= int(match[2]) <= HIGHEST_PORT
    return type(port) is int and 1 <= port <= HIGHEST_PORT


def net_complaints(nets: Collection[str]) -> Iterator[str]:
    """Yield the errors of a rule's networks."""
    if not 1 <= len(nets) <= MOST_NETS or len(set(nets)) != len(nets):
        yield f"networks are a set of 1 to {MOST_NETS}"
    if len({ip_network(one).version for one in nets}) > 1:
        yield "two IP versions in one rule"
    if any("%" in one for one in nets):
        yield "a network has no zone"
    if any(is_mapped(ip_network(one)) for one in nets):
        yield "Go reads IPv4 in IPv6 as IPv4"


def is_mapped(network: object) -> bool:
    """Return whether a network has IPv4-mapped IPv6 addresses."""
    return isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None


def selector_complaints(where: str, text: str, *, positive: bool = True) -> Iterator[str]:
    """Yield the errors of a selector."""
    if len(text) > LONGEST_SELECTOR:
        yield f"{where}: {len(text)} characters"
    try:
        clauses = clauses_of(text)
    except ValueError as bad:
        yield f"{where}: {bad}"
        return
    if positive and any(how not in {"==", "in"} for _, how, _ in clauses):
        yield f"{where}: what is not, or may have any value, is more than a flow says"


def readable(text: str) -> tuple[Clause, ...]:
    """Return the parts of a selector; none for an invalid one, which is an error elsewhere."""
    try:
        return clauses_of(text)
    except ValueError:
        return ()


def unknown(where: str, found: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    """Yield the fields that catflap does not write."""
    yield from (f"{where}: {key}?" for key in sorted(found.keys() - known))
