"""Which name servers stay open, for each kind of cluster."""

from collections.abc import Mapping

from webhook.model.names import NAMESPACE_NAME
from webhook.model.network import DnsEndpoint

# CoreDNS and kube-dns: https://kubernetes.io/docs/tasks/administer-cluster/dns-custom-nameservers/
KUBE_DNS = DnsEndpoint(
    namespaceLabels={NAMESPACE_NAME: "kube-system"}, podLabels={"k8s-app": "kube-dns"}, ports=("53/UDP", "53/TCP")
)
# NodeLocal DNSCache runs in the node's network, where no pod selector reaches it; its address is the documented default:
# https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/
NODE_LOCAL = DnsEndpoint(cidrs=("169.254.20.10/32",))
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
    "aks": (KUBE_DNS, AKS_LOCAL),
    "openshift": (OPENSHIFT,),
}
# Where nothing tells more, offline too: the two servers that most clusters have.
FALLBACK = "node-local"


def endpoints(dns: str | tuple[DnsEndpoint, ...], *, detected: str = FALLBACK) -> tuple[DnsEndpoint, ...]:
    """The name servers that `network.dns` means; `detected` is the preset that stands for `auto`."""
    if isinstance(dns, tuple):
        return dns
    return PRESETS[detected if dns == "auto" else dns]


def detect(*, api_groups: frozenset[str], kube_system_labels: Mapping[str, str]) -> str:
    """The preset that fits a cluster, by the API groups that it serves and the labels of its kube-system namespace.

    AKS marks its own namespaces with `kubernetes.azure.com/managedby: aks`.
    """
    if "config.openshift.io" in api_groups:
        return "openshift"
    if kube_system_labels.get("kubernetes.azure.com/managedby") == "aks":
        return "aks"
    return FALLBACK
