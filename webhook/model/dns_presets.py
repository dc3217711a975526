"""Presets for the DNS servers of common clusters, and the labels that identify DNS Pods."""

from collections.abc import Iterator, Mapping
from typing import Final

from webhook.model.names import NAMESPACE_NAME
from webhook.model.network import DnsEndpoint

# CoreDNS and kube-dns: https://kubernetes.io/docs/tasks/administer-cluster/dns-custom-nameservers/
KUBE_DNS = DnsEndpoint(
    namespaceLabels={NAMESPACE_NAME: "kube-system"}, podLabels={"k8s-app": "kube-dns"}, ports=("53/UDP", "53/TCP")
)
# NodeLocal DNSCache runs in the node's network, where no pod selector reaches it; its address is the documented default:
# https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/
NODE_LOCAL = DnsEndpoint(cidrs=("169.254.20.10/32",))
# The same cache as kubespray sets it up, under the variable nodelocaldns_ip (kubernetes-sigs/kubespray, docs/advanced/dns-stack.md).
KUBESPRAY_LOCAL = DnsEndpoint(cidrs=("169.254.25.10/32",))
# Cloud DNS answers in GKE's metadata server on each node: https://cloud.google.com/kubernetes-engine/docs/how-to/cloud-dns
CLOUD_DNS = DnsEndpoint(cidrs=("169.254.169.254/32",))
# AKS LocalDNS answers on 169.254.10.10 and .11: https://learn.microsoft.com/azure/aks/localdns-custom
AKS_LOCAL = DnsEndpoint(cidrs=("169.254.10.0/24",))
# OpenShift's servers listen on 5353 behind a Service on 53, and policies see the packet after that translation:
# https://docs.openshift.com/container-platform/latest/networking/dns-operator.html
OPENSHIFT = DnsEndpoint(
    namespaceLabels={NAMESPACE_NAME: "openshift-dns"},
    podLabels={"dns.operator.openshift.io/daemonset-dns": "default"},
    ports=("5353/UDP", "5353/TCP"),
)

PRESETS: Mapping[str, tuple[DnsEndpoint, ...]] = {
    "none": (),
    "kube-dns": (KUBE_DNS,),
    "node-local": (KUBE_DNS, NODE_LOCAL),
    "kubespray": (KUBE_DNS, KUBESPRAY_LOCAL),
    "gke": (KUBE_DNS, NODE_LOCAL, CLOUD_DNS),
    "aks": (KUBE_DNS, AKS_LOCAL),
    "openshift": (OPENSHIFT,),
}

# The ports of name servers: of a Service, and of the Pods in OpenShift and Gardener (gardener/gardener,
# pkg/component/networking/coredns/constants), and the names that CoreDNS' manifests give them.
PORTS: Final = ((53, 53), (5353, 5353), (8053, 8053))
PORT_NAMES: Final = frozenset({"dns", "dns-tcp", "dns-udp"})
PROTOCOLS: Final = frozenset({"TCP", "UDP"})
# Labels of name servers' Pods in every cluster, whatever the policy file opens: kube-dns' own manifest, which CoreDNS
# kept, and the chart of CoreDNS; those of OpenShift.
LABELS: Final[Mapping[str, frozenset[str]]] = {
    "k8s-app": frozenset({"kube-dns", "coredns", "node-local-dns"}),
    "app.kubernetes.io/name": frozenset({"coredns"}),
    "dns.operator.openshift.io/daemonset-dns": frozenset({"default"}),
}


def servers(dns: str | tuple[DnsEndpoint, ...]) -> tuple[DnsEndpoint, ...]:
    """Return the name servers that `network.dns` may mean; `auto` is decided by the cluster, so it may be any preset."""
    if isinstance(dns, tuple):
        return dns
    return tuple(one for each in PRESETS.values() for one in each) if dns == "auto" else PRESETS[dns]


def pod_labels(dns: str | tuple[DnsEndpoint, ...]) -> Iterator[Mapping[str, frozenset[str]]]:
    """Yield the labels that identify Pods of name servers, with the values that count."""
    yield from ({key: values} for key, values in LABELS.items())
    for one in servers(dns):
        if one.pod_labels:
            yield {key: frozenset({value}) for key, value in one.pod_labels.items()}
