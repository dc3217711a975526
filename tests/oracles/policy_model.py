"""A reference model: compute the allowed connections of a policy file without catflap's renderer.

It is slow and simple on purpose: it checks every flow for every pair of ends.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network
from itertools import permutations, product
from typing import Any, Final, NamedTuple

from tests.oracles.connectivity import FIRST_PORT, LAST_PORT, PROTOCOLS, Connection, Connections, with_merged_ports
from tests.oracles.sample_topology import NAME_LABEL, Pod, Topology

GUARD: Final = ("catflap.dev/guard", "enabled")
PORTS_OF_DNS: Final = ("53/UDP", "53/TCP")
ANY_TCP: Final = ("1-65535/TCP",)


def pods_on_ports(space: str, labels: Mapping[str, str], ports: Iterable[str]) -> Mapping[str, Any]:
    """Return Pods of a namespace by their labels, on some ports."""
    return {"namespaceLabels": {NAME_LABEL: space}, "podLabels": labels, "ports": ports}


KUBE_DNS: Final = pods_on_ports("kube-system", {"k8s-app": "kube-dns"}, PORTS_OF_DNS)
# The name servers of each value of `network.dns`.
NAME_SERVERS: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "none": (),
    "kube-dns": (KUBE_DNS,),
    "node-local": (KUBE_DNS, {"cidrs": ["169.254.20.10/32"]}),
    "kubespray": (KUBE_DNS, {"cidrs": ["169.254.25.10/32"]}),
    "gke": (KUBE_DNS, {"cidrs": ["169.254.20.10/32", "169.254.169.254/32"]}),
    "aks": (KUBE_DNS, {"cidrs": ["169.254.10.0/24"]}),
    "openshift": (
        pods_on_ports(
            "openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"}, ["5353/UDP", "5353/TCP"]
        ),
    ),
}
# The values for clusters where Pods may send DNS queries to an address that only the cluster knows.
WITH_DETECTED_ADDRESSES: Final = frozenset({"node-local", "kubespray", "gke", "aks"})
LINKERD: Final = "linkerd.io/control-plane-component"
# The allowed targets of every Pod, and the allowed sources of every Pod, for each value of `network.presets`.
PRESET_TARGETS: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "istio": (pods_on_ports("istio-system", {"app": "istiod"}, ["15012/TCP"]),),
    "linkerd": (
        pods_on_ports("linkerd", {LINKERD: "destination"}, ["8086/TCP", "8090/TCP"]),
        pods_on_ports("linkerd", {LINKERD: "identity"}, ["8080/TCP"]),
    ),
    "osm": tuple(
        pods_on_ports(space, {"app": "osm-controller"}, ["15128/TCP"]) for space in ("kube-system", "osm-system")
    ),
}
PRESET_SOURCES: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "istio-ambient": ({"cidrs": ["169.254.7.127/32"], "ports": ANY_TCP},),
    "prometheus": (
        pods_on_ports(
            "monitoring",
            {"app.kubernetes.io/name": "prometheus"},
            ["9090-9999/TCP", "15020/TCP", "15090/TCP", "4191/TCP"],
        ),
    ),
}
# The port that a mesh adds to each TCP flow between Pods.
MESH_PORTS: Final = {"istio-ambient": "15008/TCP", "linkerd": "4143/TCP"}
PRESETS: Final = (*PRESET_TARGETS, *PRESET_SOURCES, "kubelet-probes")


def name_servers(word: str, cluster: str, addresses: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Return the name servers of a value of `network.dns`, in a cluster of a type whose DNS Service and node caches have some addresses."""
    kind = cluster if word == "auto" else word
    more = [{"cidrs": [str(ip_network(one)) for one in addresses]}] if addresses else []
    return [*NAME_SERVERS[kind], *(more if kind in WITH_DETECTED_ADDRESSES else ())]


class Address(NamedTuple):
    """A peer outside of the cluster, or another peer that is not a Pod."""

    ref: str


End = Pod | Address


class Ports(NamedTuple):
    """Ports of a protocol, from the first to the last."""

    protocol: str
    first: int
    last: int


ALL: Final = frozenset(Ports(protocol, FIRST_PORT, LAST_PORT) for protocol in PROTOCOLS)


@dataclass(frozen=True)
class PolicyModel:
    """A policy file, as YAML gives it, in one town of a kind of cluster whose name servers have some addresses."""

    file: Mapping[str, Any]
    topology: Topology
    cluster_dns: str = "none"
    dns_addresses: Sequence[str] = ()

    def connections(self, addresses: Iterable[str] = ()) -> Connections:
        """Everything that is open between Pods, and between them and these addresses."""
        ends: list[End] = [*self.topology.pods, *map(Address, sorted(addresses))]
        return with_merged_ports(
            Connection(source.ref, target.ref, *ports)
            for source, target in permutations(ends, 2)
            if isinstance(source, Pod) or isinstance(target, Pod)
            for ports in common_ports(self.egress(source, target), self.ingress(source, target))
        )

    def egress(self, source: End, target: End) -> frozenset[Ports]:
        """Return the ports to which the source may send: all if its namespace is not managed, else those of flows, name servers and presets."""
        if not self.is_managed(source):
            return ALL
        targets = [target_pods for preset in self.presets for target_pods in PRESET_TARGETS.get(preset, ())]
        return self.flow_ports(source, target) | self.peer_ports([*self.name_servers, *targets], target)

    def ingress(self, source: End, target: End) -> frozenset[Ports]:
        """Return the ports on which the target may receive, in the same way."""
        if not self.is_managed(target):
            return ALL
        sources = [source_pods for preset in self.presets for source_pods in PRESET_SOURCES.get(preset, ())]
        if "kubelet-probes" in self.presets:
            sources.append({"cidrs": self.network["nodeCIDRs"], "ports": ANY_TCP})
        return self.flow_ports(source, target) | self.peer_ports(sources, source)

    def flow_ports(self, source: End, target: End) -> frozenset[Ports]:
        """Return the ports of every flow between these two, with the port of a mesh."""
        joining = [flow for flow in self.network.get("flows", ()) if self.joins(flow, source, target)]
        found = {port_range(text) for flow in joining for text in flow["ports"]}
        if isinstance(source, Pod) and isinstance(target, Pod) and any(ports.protocol == "TCP" for ports in found):
            found |= {port_range(text) for mesh, text in MESH_PORTS.items() if mesh in self.presets}
        return frozenset(found)

    def peer_ports(self, others: Iterable[Mapping[str, Any]], whom: End) -> frozenset[Ports]:
        """Return the ports of those peers that match an end."""
        return frozenset(
            port_range(text)
            for other in others
            if self.is_one_of(other, whom)
            for text in other.get("ports", PORTS_OF_DNS)
        )

    def joins(self, flow: Mapping[str, Any], source: End, target: End) -> bool:
        """Return whether a flow allows this source to connect to this target."""
        ends = [(as_mapping(flow["from"]), source), (as_mapping(flow["to"]), target)]
        if not all(self.is_meant(end, whom) for end, whom in ends):
            return False
        if not (isinstance(source, Pod) and isinstance(target, Pod)):
            return True  # a role opposite to addresses is that role in every namespace
        named = [bool(end.get("namespaces")) for end, _ in ends]
        together = self.environment(source) is not None and self.environment(source) == self.environment(target)
        if not any(named):
            return source.space == target.space or ("across" in flow and together)
        if "across" in flow and not together:
            return False
        return all(is_named or self.is_managed(whom) for is_named, (_, whom) in zip(named, ends, strict=True))

    def is_meant(self, end: Mapping[str, Any], whom: End) -> bool:
        """Return whether one end of a flow, without the other one, matches an end."""
        if "cidrs" in end or end.get("role") == "outside":
            if isinstance(whom, Pod):
                return False
            return within(whom, end["cidrs"]) if "cidrs" in end else self.is_outside(whom)
        if not isinstance(whom, Pod) or ("role" in end and whom.labels.get(self.role_label) != end["role"]):
            return False
        return not end.get("namespaces") or whom.space in end["namespaces"]

    def is_one_of(self, others: Mapping[str, Any], whom: End) -> bool:
        """Return whether an end matches a peer of networks, or of labels of the namespace and of the Pod."""
        if isinstance(whom, Address) or "cidrs" in others:
            return isinstance(whom, Address) and within(whom, others.get("cidrs", []))
        is_there = others["namespaceLabels"].items() <= self.labels[whom.space].items()
        return is_there and bool(others["podLabels"].items() <= whom.labels.items())

    def is_outside(self, whom: Address) -> bool:
        """Return whether an address is outside of the cluster; an address of an IP version without `clusterCIDRs` is not."""
        inside = self.network.get("clusterCIDRs", [])
        versions = {ip_network(cidr).version for cidr in inside} or {4, 6}
        return ip_address(whom.ref).version in versions and not within(whom, inside)

    def is_managed(self, whom: End) -> bool:
        """Return whether an end is a Pod in a managed namespace."""
        return isinstance(whom, Pod) and GUARD in self.labels[whom.space].items()

    def environment(self, pod: Pod) -> str | None:
        """Return the environment of a Pod; None for a value that the file does not list."""
        environment = self.file.get("namespaces", {}).get("environment", {})
        value = self.labels[pod.space].get(environment.get("label", "environment"))
        return value if value in environment.get("oneOf", []) else None

    @property
    def network(self) -> Mapping[str, Any]:
        """Return the section `network` of the file."""
        section: Mapping[str, Any] = self.file["network"]
        return section

    @property
    def presets(self) -> Sequence[str]:
        """Return the presets of the file."""
        found: Sequence[str] = self.network.get("presets", ())
        return found

    @property
    def name_servers(self) -> Sequence[Mapping[str, Any]]:
        """Return the name servers of the file, from a list or from a value such as `kube-dns`."""
        dns: str | list[Mapping[str, Any]] = self.network["dns"]
        return name_servers(dns, self.cluster_dns, self.dns_addresses) if isinstance(dns, str) else dns

    @property
    def role_label(self) -> str:
        """Return the key of the role label."""
        return str(self.file.get("workloads", {}).get("role", {}).get("label", "role"))

    @cached_property
    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """Return the labels of each namespace by its name."""
        return {space.name: {**space.labels, NAME_LABEL: space.name} for space in self.topology.spaces}


def as_mapping(end: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """An end as a mapping: a word alone is a role."""
    return {"role": end} if isinstance(end, str) else end


def within(whom: Address, cidrs: Iterable[str]) -> bool:
    """Whether an address lies in one of these networks."""
    return any(ip_address(whom.ref) in ip_network(cidr) for cidr in cidrs)


def port_range(text: str) -> Ports:
    """`8080/TCP` or `5000-5010/UDP`."""
    numbers, _, protocol = text.partition("/")
    first, _, last = numbers.partition("-")
    return Ports(protocol, int(first), int(last or first))


def common_ports(some: Iterable[Ports], others: Iterable[Ports]) -> Iterator[Ports]:
    """The ports that are among both."""
    for one, other in product(some, others):
        if one.protocol == other.protocol and max(one.first, other.first) <= min(one.last, other.last):
            yield Ports(one.protocol, max(one.first, other.first), min(one.last, other.last))
