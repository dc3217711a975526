"""The check of the peers that a user's network policy allows: too broad, or not covered by the flows of the policy file."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Final

from msgspec import structs

from webhook.model.addresses import EVERY_ADDRESS, NO_ADDRESS, Addresses, addresses, too_large
from webhook.model.dns_presets import PORT_NAMES, PORTS, PROTOCOLS, pod_labels, servers
from webhook.model.flow_index import FlowIndex
from webhook.model.names import CALICO_NAMESPACE, GUARD_LABEL, GUARDED, NAMESPACE_NAME
from webhook.model.opening import Grammar, Opening, Peers, Selected
from webhook.model.policy import GuardPolicy
from webhook.model.selector import (
    EVERYTHING,
    AllOf,
    CommonLabels,
    Equals,
    Global,
    Has,
    Not,
    Selector,
    conjuncts,
    is_narrow,
    values_of,
    with_labels_mapped,
)
from webhook.model.traffic import Direction

NAMESPACE_PREFIX: Final = "pcns."  # Calico's prefix of namespace labels among the labels of Pods (k8s/conversion)
# Labels with the name of a namespace: set by the API server, and by Calico for its selectors (k8s/conversion, NameLabel).
NAMESPACE_NAME_LABELS: Final = (NAMESPACE_NAME, "projectcalico.org/name")

NO_PARTICULAR_PEER: Final = "are not restricted"

# Steps for one object against the networks of all flows: about 30 ms. A network costs one step for each part into which the networks of
# flows divide it, so only large networks and thousands of networks in the policy file reach this limit.
MAX_STEPS: Final = 100_000


class OpeningCheck:
    """The check of one policy object against the policy file; each fact of the file is computed once for an object."""

    def __init__(self, policy: GuardPolicy, namespace: str) -> None:
        """`namespace` is the object's own; empty for a cluster-wide one."""
        self._policy = policy
        self._own = namespace
        self._candidates: dict[Direction, int] = {}
        self._of_everybody: dict[Direction, frozenset[int]] = {}
        self._steps = 0
        environment = policy.namespaces.environment
        closed = [(GUARD_LABEL, frozenset({GUARDED}))]
        if environment.one_of:
            closed.append((environment.label, frozenset(environment.one_of)))
        self._common = CommonLabels(frozenset(NAMESPACE_NAME_LABELS), tuple(closed))

    @property
    def has_flows(self) -> bool:
        """Return whether flows apply to the object; they do not to cluster-wide objects, whose Pods are not known."""
        return bool(self._own and self._policy.network.flows)

    @property
    def role(self) -> str:
        """Return the label of roles."""
        return self._policy.workloads.role.label

    @property
    def server_labels(self) -> Iterator[Mapping[str, frozenset[str]]]:
        """Return the labels that identify Pods of name servers."""
        return pod_labels(self._policy.network.dns)

    @cached_property
    def cluster(self) -> Addresses:
        """Return the addresses of the cluster in the policy file."""
        return addresses(self._policy.network.cluster_cidrs)

    @cached_property
    def servers(self) -> Addresses:
        """Return the addresses of the file's name servers."""
        return addresses(cidr for one in servers(self._policy.network.dns) for cidr in one.cidrs)

    @cached_property
    def server_namespaces(self) -> frozenset[str]:
        """Return the namespaces of the file's name servers."""
        found = (one.namespace_labels.get(NAMESPACE_NAME) for one in servers(self._policy.network.dns))
        return frozenset(name for name in found if name)

    def is_exempt(self, opening: Opening) -> bool:
        """Return whether an opening applies only to Pods of exempt namespaces, which no policy isolates."""
        names = self.namespaces(opening.subject, opening.grammar)
        return names is not None and all(map(self._policy.namespaces.exempts, names))

    def namespaces(self, selected: Selected, grammar: Grammar) -> frozenset[str] | None:
        """Return the only namespaces that selected Pods may be in; None where they may be in any."""
        return values_of(
            self._spaces(selected, grammar),
            *(NAMESPACE_NAME_LABELS if grammar is Grammar.CALICO else NAMESPACE_NAME_LABELS[:1]),
        )

    def _spaces(self, selected: Selected, grammar: Grammar) -> Selector:
        """Return the selector on the namespaces of Pods, by labels of the namespaces or of the Pods."""
        spaces = Equals(NAMESPACE_NAME, self._own) if selected.namespaces is None else selected.namespaces
        return AllOf((spaces, namespace_selector(selected.labels))) if grammar is Grammar.CALICO else spaces

    def uncovered(self, opening: Opening) -> Peers | None:
        """Return the peers of a rule that no flow of the file reaches; None where flows reach all.

        Without flows these are all peers. Between namespaces of one environment no flow counts, as the flow's own
        policies open that already.
        """
        peers = opening.peers
        if not self._policy.network.flows:
            return peers
        wanted = {one & self._candidates_of(opening) for one in self._reach(opening).ports(opening.ports)}
        if peers.everybody:
            return None if self._meet(wanted, self._everywhere(opening)) else peers
        networks, written = peers.networks, peers.written
        if self._reaches_networks(opening, networks, wanted):
            networks, written = NO_ADDRESS, ()
        selected = tuple(one for one in peers.selected if not self._reaches(opening, one, wanted))
        if not networks and not selected and not peers.named:
            return None
        return structs.replace(peers, networks=networks, written=written, selected=selected)

    def too_broad(self, opening: Opening, peers: Peers) -> tuple[Peers | None, str]:
        """Return the peers of a rule that are too broad, with a description; None if there are none."""
        if peers.everybody:
            return peers, NO_PARTICULAR_PEER
        selected = tuple(one for one in peers.selected if self._is_too_broad(one, opening))
        large = too_large(peers.networks, self.cluster) if peers.networks else ""
        if not selected and not large:
            return None, ""
        networks, written = (peers.networks, peers.written) if large else (NO_ADDRESS, ())
        return Peers(
            networks=networks, written=written, selected=selected
        ), NO_PARTICULAR_PEER if selected else f"include {large}"

    def _is_too_broad(self, selected: Selected, opening: Opening) -> bool:
        """Return whether a selector is too broad."""
        if selected.within is not None and not too_large(selected.within, self.cluster):
            return False
        if excludes_pods(selected):
            return not is_narrow(selected.labels, CommonLabels(frozenset({CALICO_NAMESPACE})))
        if is_narrow(self._spaces(selected, opening.grammar), self._common):
            return False
        return not (is_dns(opening) and self._serves_names(selected))

    def _serves_names(self, selected: Selected) -> bool:
        """Return whether selected Pods are name servers, by the labels that they all have."""
        return any(
            all(
                (found := values_of(selected.labels, key)) is not None and found <= among
                for key, among in wanted.items()
            )
            for wanted in self.server_labels
        )

    def _reach(self, opening: Opening) -> FlowIndex:
        """Return the other ends of the file's flows."""
        network = self._policy.network
        return network.sources if opening.direction is Direction.INGRESS else network.targets

    def _reaches_networks(self, opening: Opening, networks: Addresses, wanted: set[int]) -> bool:
        """Return whether flows reach networks; DNS queries to the configured name servers need no flow."""
        if is_dns(opening) and self.servers.includes(networks):
            return True
        return self._meet(wanted, self._reach(opening).addresses(networks))

    def _reaches(self, opening: Opening, selected: Selected, wanted: set[int]) -> bool:
        """Return whether flows reach selected Pods; DNS queries to name servers need no flow."""
        names = self.namespaces(selected, opening.grammar)
        if is_dns(opening) and (
            self._serves_names(selected) or (names is not None and names <= self.server_namespaces)
        ):
            return True
        if 0 in wanted:
            return False
        roles = values_of(selected.labels, self.role)
        bits = 0 if names is None else self._reach(opening).pods(names, roles, own=self._own)
        guarded = values_of(self._spaces(selected, opening.grammar), GUARD_LABEL)
        if guarded is not None and guarded <= {GUARDED}:
            bits |= self._reach(opening).managed_pods(roles)
        if selected.within is None:
            return self._meet(wanted, (bits,))
        return self._meet(wanted, (bits | one for one in self._reach(opening).addresses(selected.within)))

    def _meet(self, ports: set[int], peers: Iterable[int]) -> bool:
        """Return whether each part of the ports shares a flow with each part of the peers.

        Parts after MAX_STEPS of one object are not checked and count as not covered by flows.
        """
        if 0 in ports:
            return False
        seen = set()
        for one in peers:
            self._steps += 1
            if self._steps > MAX_STEPS:
                return False
            if one not in seen and not all(one & other for other in ports):
                return False
            seen.add(one)
        return True

    def _everywhere(self, opening: Opening) -> frozenset[int]:
        """Return the flows that reach each part of all addresses."""
        if opening.direction not in self._of_everybody:
            self._of_everybody[opening.direction] = frozenset(self._reach(opening).addresses(EVERY_ADDRESS))
        return self._of_everybody[opening.direction]

    def _candidates_of(self, opening: Opening) -> int:
        """Return the flows whose own end includes all Pods that the object selects; all its rules select the same Pods."""
        if opening.direction not in self._candidates:
            roles = values_of(opening.subject.labels, self.role)
            found = 0
            for at, flow in enumerate(self._policy.network.flows):
                end = flow.to if opening.direction is Direction.INGRESS else flow.source
                if end.names(self._own) and (end.role is None or (roles is not None and roles <= {end.role})):
                    found |= 1 << at
            self._candidates[opening.direction] = found
        return self._candidates[opening.direction]


def namespace_selector(labels: Selector) -> Selector:
    """Return the part of a Calico selector that is about a Pod's namespace; other parts select everything."""
    return with_labels_mapped(labels, namespace_label)


def namespace_label(key: str) -> str:
    """Return the namespace label that an endpoint label represents in Calico; empty if it is the endpoint's own label."""
    if key == CALICO_NAMESPACE:
        return NAMESPACE_NAME
    return key.removeprefix(NAMESPACE_PREFIX) if key.startswith(NAMESPACE_PREFIX) else ""


def excludes_pods(selected: Selected) -> bool:
    """Return whether a selector selects only objects without a namespace: global network sets and host endpoints."""
    spaces = selected.namespaces or EVERYTHING
    return Global() in conjuncts(spaces) or Not(Has(CALICO_NAMESPACE)) in conjuncts(selected.labels)


def is_dns(opening: Opening) -> bool:
    """Return whether a rule allows only the ports of name servers."""
    ports = opening.ports
    return (
        opening.direction is Direction.EGRESS
        and not ports.are_all
        and all((first, last) in PORTS and protocol in PROTOCOLS for protocol, first, last in ports.ranges)
        and all(name in PORT_NAMES and protocol in {*PROTOCOLS, ""} for protocol, name in ports.names)
    )
