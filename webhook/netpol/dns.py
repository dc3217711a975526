"""Which name servers stay open, for each kind of cluster."""

from collections.abc import Mapping

from webhook.model.name_servers import KUBE_DNS, PRESETS
from webhook.model.network import DnsEndpoint

__all__ = ["FALLBACK", "KUBE_DNS", "PRESETS", "detect", "endpoints"]

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
