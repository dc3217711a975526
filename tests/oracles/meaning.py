"""What a policy file means for who reaches whom, said straight from the file and from nothing of ours that renders it.

It is slow and plain on purpose: it looks at every pair of ends and asks of every flow whether it joins the two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network
from itertools import permutations, product
from typing import Any, Final, NamedTuple

from tests.oracles.town import NAME_LABEL, Pod, Town
from tests.oracles.ways import FIRST_PORT, LAST_PORT, PROTOCOLS, Way, Ways, joined

GUARD: Final = ("catflap.dev/guard", "enabled")
PORTS_OF_DNS: Final = ("53/UDP", "53/TCP")
ANY_TCP: Final = ("1-65535/TCP",)


def somebody(space: str, labels: Mapping[str, str], ports: Iterable[str]) -> Mapping[str, Any]:
    """Pods of a namespace by their labels, on some ports."""
    return {"namespaceLabels": {NAME_LABEL: space}, "podLabels": labels, "ports": ports}


KUBE_DNS: Final = somebody("kube-system", {"k8s-app": "kube-dns"}, PORTS_OF_DNS)
# Who answers for names, for each word that `network.dns` may be.
NAME_SERVERS: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "none": (),
    "kube-dns": (KUBE_DNS,),
    "node-local": (KUBE_DNS, {"cidrs": ["169.254.20.10/32"]}),
    "kubespray": (KUBE_DNS, {"cidrs": ["169.254.25.10/32"]}),
    "gke": (KUBE_DNS, {"cidrs": ["169.254.20.10/32", "169.254.169.254/32"]}),
    "aks": (KUBE_DNS, {"cidrs": ["169.254.10.0/24"]}),
    "openshift": (
        somebody("openshift-dns", {"dns.operator.openshift.io/daemonset-dns": "default"}, ["5353/UDP", "5353/TCP"]),
    ),
}
# The words of clusters where Pods may ask for names at an address that only the cluster can show.
SHOWN_BY_THE_CLUSTER: Final = frozenset({"node-local", "kubespray", "gke", "aks"})
LINKERD: Final = "linkerd.io/control-plane-component"
# Whom every Pod may connect to, and who may connect to every Pod, for each word of `network.presets`.
SERVANTS: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "istio": (somebody("istio-system", {"app": "istiod"}, ["15012/TCP"]),),
    "linkerd": (
        somebody("linkerd", {LINKERD: "destination"}, ["8086/TCP", "8090/TCP"]),
        somebody("linkerd", {LINKERD: "identity"}, ["8080/TCP"]),
    ),
    "osm": tuple(somebody(space, {"app": "osm-controller"}, ["15128/TCP"]) for space in ("kube-system", "osm-system")),
}
VISITORS: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "istio-ambient": ({"cidrs": ["169.254.7.127/32"], "ports": ANY_TCP},),
    "prometheus": (
        somebody(
            "monitoring",
            {"app.kubernetes.io/name": "prometheus"},
            ["9090-9999/TCP", "15020/TCP", "15090/TCP", "4191/TCP"],
        ),
    ),
}
# What a mesh adds to each flow between Pods that it can carry.
MESHES: Final = {"istio-ambient": "15008/TCP", "linkerd": "4143/TCP"}
PRESETS: Final = (*SERVANTS, *VISITORS, "kubelet-probes")


def name_servers(word: str, cluster: str, addresses: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """The name servers by a word of the file, in a cluster of a kind whose DNS Service and node caches have some addresses."""
    kind = cluster if word == "auto" else word
    more = [{"cidrs": [str(ip_network(one)) for one in addresses]}] if addresses else []
    return [*NAME_SERVERS[kind], *(more if kind in SHOWN_BY_THE_CLUSTER else ())]


class Address(NamedTuple):
    """Somebody who is no Pod."""

    ref: str


End = Pod | Address


class Ports(NamedTuple):
    """Ports of a protocol, from the first to the last."""

    protocol: str
    first: int
    last: int


ALL: Final = frozenset(Ports(protocol, FIRST_PORT, LAST_PORT) for protocol in PROTOCOLS)


@dataclass(frozen=True)
class Meaning:
    """A policy file, as YAML gives it, in one town of a kind of cluster whose name servers have some addresses."""

    file: Mapping[str, Any]
    town: Town
    cluster_dns: str = "none"
    dns_addresses: Sequence[str] = ()

    def ways(self, addresses: Iterable[str] = ()) -> Ways:
        """Everything that is open between Pods, and between them and these addresses."""
        ends: list[End] = [*self.town.pods, *map(Address, sorted(addresses))]
        return joined(
            Way(source.ref, target.ref, *ports)
            for source, target in permutations(ends, 2)
            if isinstance(source, Pod) or isinstance(target, Pod)
            for ports in both(self.sent(source, target), self.taken(source, target))
        )

    def sent(self, source: End, target: End) -> frozenset[Ports]:
        """What the source may send: anything if nobody closed it, else what flows, name servers and presets leave open."""
        if not self.is_guarded(source):
            return ALL
        servants = [servant for preset in self.presets for servant in SERVANTS.get(preset, ())]
        return self.flowing(source, target) | self.meeting([*self.name_servers, *servants], target)

    def taken(self, source: End, target: End) -> frozenset[Ports]:
        """What the target may take, in the same way."""
        if not self.is_guarded(target):
            return ALL
        visitors = [visitor for preset in self.presets for visitor in VISITORS.get(preset, ())]
        if "kubelet-probes" in self.presets:
            visitors.append({"cidrs": self.network["nodeCIDRs"], "ports": ANY_TCP})
        return self.flowing(source, target) | self.meeting(visitors, source)

    def flowing(self, source: End, target: End) -> frozenset[Ports]:
        """The ports of every flow that joins these two, and what a mesh adds to them."""
        joining = [flow for flow in self.network.get("flows", ()) if self.joins(flow, source, target)]
        found = {port_range(text) for flow in joining for text in flow["ports"]}
        if isinstance(source, Pod) and isinstance(target, Pod) and any(ports.protocol == "TCP" for ports in found):
            found |= {port_range(text) for mesh, text in MESHES.items() if mesh in self.presets}
        return frozenset(found)

    def meeting(self, others: Iterable[Mapping[str, Any]], whom: End) -> frozenset[Ports]:
        """The ports of all of the others who are this one."""
        return frozenset(
            port_range(text)
            for other in others
            if self.is_one_of(other, whom)
            for text in other.get("ports", PORTS_OF_DNS)
        )

    def joins(self, flow: Mapping[str, Any], source: End, target: End) -> bool:
        """Whether a flow leads from this source to this target."""
        ends = [(said(flow["from"]), source), (said(flow["to"]), target)]
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
        return all(is_named or self.is_guarded(whom) for is_named, (_, whom) in zip(named, ends, strict=True))

    def is_meant(self, end: Mapping[str, Any], whom: End) -> bool:
        """Whether an end of a flow, taken by itself, speaks of somebody."""
        if "cidrs" in end or end.get("role") == "outside":
            if isinstance(whom, Pod):
                return False
            return within(whom, end["cidrs"]) if "cidrs" in end else self.is_outside(whom)
        if not isinstance(whom, Pod) or ("role" in end and whom.labels.get(self.role_label) != end["role"]):
            return False
        return not end.get("namespaces") or whom.space in end["namespaces"]

    def is_one_of(self, others: Mapping[str, Any], whom: End) -> bool:
        """Whether somebody is among others who are told by networks, or by labels of the namespace and of the Pod."""
        if isinstance(whom, Address) or "cidrs" in others:
            return isinstance(whom, Address) and within(whom, others.get("cidrs", []))
        is_there = others["namespaceLabels"].items() <= self.labels[whom.space].items()
        return is_there and bool(others["podLabels"].items() <= whom.labels.items())

    def is_outside(self, whom: Address) -> bool:
        """Whether an address lies beyond the cluster; one of an IP version that no `clusterCIDRs` speak of does not."""
        inside = self.network.get("clusterCIDRs", [])
        versions = {ip_network(cidr).version for cidr in inside} or {4, 6}
        return ip_address(whom.ref).version in versions and not within(whom, inside)

    def is_guarded(self, whom: End) -> bool:
        """Whether somebody is a Pod in a namespace that we close."""
        return isinstance(whom, Pod) and GUARD in self.labels[whom.space].items()

    def environment(self, pod: Pod) -> str | None:
        """The environment that a Pod is in, if it is in one that there is."""
        environment = self.file.get("namespaces", {}).get("environment", {})
        value = self.labels[pod.space].get(environment.get("label", "environment"))
        return value if value in environment.get("oneOf", []) else None

    @property
    def network(self) -> Mapping[str, Any]:
        """The file's section on networks."""
        section: Mapping[str, Any] = self.file["network"]
        return section

    @property
    def presets(self) -> Sequence[str]:
        """What the file says is running in the cluster."""
        found: Sequence[str] = self.network.get("presets", ())
        return found

    @property
    def name_servers(self) -> Sequence[Mapping[str, Any]]:
        """The name servers, whether the file names them one by one or by a word."""
        dns: str | list[Mapping[str, Any]] = self.network["dns"]
        return name_servers(dns, self.cluster_dns, self.dns_addresses) if isinstance(dns, str) else dns

    @property
    def role_label(self) -> str:
        """The label that names a Pod's role."""
        return str(self.file.get("workloads", {}).get("role", {}).get("label", "role"))

    @cached_property
    def labels(self) -> Mapping[str, Mapping[str, str]]:
        """Each namespace's labels, by its name."""
        return {space.name: {**space.labels, NAME_LABEL: space.name} for space in self.town.spaces}


def said(end: str | Mapping[str, Any]) -> Mapping[str, Any]:
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


def both(some: Iterable[Ports], others: Iterable[Ports]) -> Iterator[Ports]:
    """The ports that are among both."""
    for one, other in product(some, others):
        if one.protocol == other.protocol and max(one.first, other.first) <= min(one.last, other.last):
            yield Ports(one.protocol, max(one.first, other.first), min(one.last, other.last))
