"""The network section of the policy file: the policy engine and the allowed traffic."""

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network, summarize_address_range
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, WrapValidator, model_validator

from webhook.model.distinct_values import distinct
from webhook.model.fields import (
    MOST_NETWORKS,
    MOST_PORTS,
    Cidr,
    LabelKey,
    LabelValue,
    NamespaceName,
    Node,
    Port,
    PortRange,
    port_range,
)
from webhook.model.flow_index import FlowIndex

IpNetwork = IPv4Network | IPv6Network

OUTSIDE = "outside"
EVERYWHERE = ("0.0.0.0/0", "::/0")


class DnsEndpoint(Node):
    """DNS servers that Pods may query: Pods by labels, or addresses."""

    namespace_labels: dict[LabelKey, LabelValue] = Field({}, description="labels of the namespace of the name servers")
    pod_labels: dict[LabelKey, LabelValue] = Field({}, description="labels of the Pods of the name servers")
    cidrs: Annotated[tuple[Cidr, ...], Field(max_length=MOST_NETWORKS), WrapValidator(distinct)] = Field(
        (), description="networks, for name servers outside of Pods"
    )
    ports: Annotated[tuple[Port, ...], Field(min_length=1, max_length=MOST_PORTS), WrapValidator(distinct)] = Field(
        ("53/UDP", "53/TCP"), description="the ports of the servers, not of their Service"
    )

    @model_validator(mode="after")
    def _is_pods_or_networks(self) -> Self:
        has_labels = bool(self.namespace_labels or self.pod_labels)
        if self.cidrs and has_labels:
            raise ValueError("labels and cidrs exclude each other; name Pods by labels or addresses by cidrs")
        if not self.cidrs and not has_labels:
            raise ValueError("the name server is missing; add namespaceLabels and podLabels, or cidrs")
        if has_labels and not (self.namespace_labels and self.pod_labels):
            lacking = "podLabels" if self.namespace_labels else "namespaceLabels"
            raise ValueError(f"{lacking} are missing; namespaceLabels and podLabels are required together")
        return self


class FlowEnd(Node):
    """One end of a flow: Pods by role, by namespaces or by both, or networks; `outside` is written like a role."""

    role: LabelValue | None = Field(None, description="a role, or outside: all addresses except clusterCIDRs")
    namespaces: Annotated[tuple[NamespaceName, ...], WrapValidator(distinct)] = Field(
        (),
        description="the namespaces of this end; by default, the namespace of the other end, or every managed namespace if "
        "the other end contains namespaces",
    )
    cidrs: Annotated[tuple[Cidr, ...], Field(max_length=MOST_NETWORKS), WrapValidator(distinct)] = Field(
        (), description="networks"
    )

    @model_validator(mode="after")
    def _is_pods_or_networks(self) -> Self:
        if self.cidrs and (self.role or self.namespaces):
            raise ValueError("cidrs exclude role and namespaces in one end of a flow; write two flows")
        if not (self.cidrs or self.role or self.namespaces):
            raise ValueError("the end of the flow is empty; add a role, namespaces or both, or only cidrs")
        if self.is_outside and self.namespaces:
            raise ValueError("outside cannot have namespaces; remove namespaces")
        return self

    @property
    def is_outside(self) -> bool:
        """Return whether this end is outside of the cluster."""
        return self.role == OUTSIDE

    @property
    def is_pods(self) -> bool:
        """Return whether this end is a set of Pods in the cluster."""
        return not self.cidrs and not self.is_outside

    def names(self, namespace: str) -> bool:
        """Return whether this end can include Pods of a namespace."""
        return self.is_pods and (not self.namespaces or namespace in self.namespaces)


def flow_end(value: Any) -> Any:
    """Return a mapping for a string, which is a role or `outside`; other values are returned unchanged."""
    return {"role": value} if isinstance(value, str) else value


End = Annotated[FlowEnd, BeforeValidator(flow_end, json_schema_input_type=str | FlowEnd)]


class Flow(Node):
    """An allowed connection: source, destination and ports."""

    source: End = Field(alias="from", description="the source of the connections: a role, outside, or a mapping")
    to: End = Field(description="the destination of the connections: a role, outside, or a mapping")
    ports: Annotated[tuple[Port, ...], Field(min_length=1, max_length=MOST_PORTS), WrapValidator(distinct)] = Field(
        description="the ports of the destination Pods, not of their Service: 8080/TCP, 8000-8100/UDP"
    )
    across: Literal["environment"] | None = Field(
        None, description="environment: also between namespaces of one environment; by default only inside a namespace"
    )

    @model_validator(mode="after")
    def _touches_pods(self) -> Self:
        if not (self.source.is_pods or self.to.is_pods):
            raise ValueError("at least one end must select Pods, because catflap writes the policies for these Pods")
        if self.across and not (self.source.is_pods and self.to.is_pods):
            raise ValueError("across: networks do not belong to an environment; remove across")
        return self

    @cached_property
    def port_ranges(self) -> tuple[PortRange, ...]:
        """Return the parsed ports."""
        return tuple(map(port_range, self.ports))


DnsPreset = Literal["auto", "kube-dns", "node-local", "kubespray", "gke", "aks", "openshift", "none"]
Preset = Literal["istio", "istio-ambient", "linkerd", "osm", "prometheus", "kubelet-probes"]
Cidrs = Annotated[tuple[Cidr, ...], Field(max_length=MOST_NETWORKS), WrapValidator(distinct)]


class Network(Node):
    """The isolation of managed namespaces."""

    engine: Literal["auto", "calico", "kubernetes", "none"] = Field(
        "auto",
        description="the API of the policies; auto: Calico's if projectcalico.org/v3 is served; "
        "none: no namespace is isolated, and catflap's policies are removed",
    )
    dns: DnsPreset | tuple[DnsEndpoint, ...] = Field(
        "auto",
        description="the name servers that every Pod can reach: a preset, or a list of Pods and addresses; auto: detected in the cluster",
    )
    presets: Annotated[tuple[Preset, ...], WrapValidator(distinct)] = Field(
        (),
        description="permitted connections of common software: istio, istio-ambient, linkerd, osm, prometheus, "
        "kubelet-probes",
    )
    flows: tuple[Flow, ...] = Field((), description="permitted connections; all others are denied")
    cluster_cidrs: Cidrs = Field(
        (),
        alias="clusterCIDRs",
        description="the networks of Pods, Services and nodes; outside is every other address, or every address if this is empty",
    )
    node_cidrs: Cidrs = Field((), alias="nodeCIDRs", description="the networks of nodes, for the preset kubelet-probes")
    windows_nodes: StrictBool = Field(
        default=False,
        description="whether Pods also run on Windows nodes; settings that Windows cannot enforce are errors",
    )
    staged: StrictBool = Field(
        default=False, description="write Calico's staged policies, which report what they would deny and deny nothing"
    )
    cluster_wide_default_deny: StrictBool = Field(
        default=False,
        description="the cluster-wide default deny: one GlobalNetworkPolicy that applies after all others; it needs Calico and namespaces.includeExisting: all",
    )

    @cached_property
    def outside(self) -> tuple[str, ...]:
        """Return the networks outside of the cluster, without exceptions, which every engine and Windows supports.

        Where `clusterCIDRs` name networks of one IP version only, nothing of the other version is outside, because the cluster
        may have addresses of that version that the administrator does not know.
        """
        named = {ip_network(text).version for text in self.cluster_cidrs} or ({4} if self.windows_nodes else {4, 6})
        everywhere = [whole for whole in map(ip_network, EVERYWHERE) if whole.version in named]
        return tuple(str(one) for whole in everywhere for one in without(whole, self.cluster_cidrs))

    @cached_property
    def sources(self) -> FlowIndex:
        """Return who connects by each flow, for comparison with what a policy lets in."""
        ends = [(flow.source, flow.to) for flow in self.flows]
        return FlowIndex(ends, [flow.port_ranges for flow in self.flows], self.outside)

    @cached_property
    def targets(self) -> FlowIndex:
        """Return to whom each flow leads, for comparison with what a policy lets out."""
        ends = [(flow.to, flow.source) for flow in self.flows]
        return FlowIndex(ends, [flow.port_ranges for flow in self.flows], self.outside)


def without(whole: IpNetwork, cidrs: tuple[str, ...]) -> list[IpNetwork]:
    """Return a network without some others, as the fewest possible networks, in order."""
    address = type(whole.network_address)
    begin, end = int(whole.network_address), int(whole.broadcast_address) + 1
    networks = (one for one in map(ip_network, cidrs) if one.version == whole.version)
    taken = sorted((int(one.network_address), int(one.broadcast_address)) for one in networks)
    left: list[Any] = []
    for first, last in (*taken, (end, end)):
        if begin < min(first, end):
            left += summarize_address_range(address(begin), address(min(first, end) - 1))
        begin = max(begin, last + 1)
    return left
