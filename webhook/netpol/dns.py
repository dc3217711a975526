"""Choose the name servers that Pods may reach, for each type of cluster."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from webhook.model.dns_presets import KUBE_DNS, PRESETS
from webhook.model.network import DnsEndpoint
from webhook.model.selector import labels, printed

__all__ = [
    "FALLBACK",
    "KUBE_DNS",
    "PRESETS",
    "WITH_ADDRESSES",
    "DetectedDns",
    "cache_addresses",
    "cache_pods",
    "detect_preset",
    "dns_endpoints",
    "service_addresses",
    "service_pods",
    "usable_addresses",
]

# The preset of an unknown cluster, and without a cluster: the two name servers of most clusters.
FALLBACK = "node-local"

# The presets of clusters where Pods may query a cache on their node. In its default mode NodeLocal DNSCache also answers on the address
# of the DNS Service, without address translation, so network policies see that address
# (https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/).
WITH_ADDRESSES: Final = frozenset({"node-local", "kubespray", "gke", "aks"})

# The most addresses that one object can have: two Services of two IP versions each, and the two addresses of the cache.
MOST_ADDRESSES: Final = 6
DNS_PORT: Final = 53
# The flags with the listen addresses of node-cache: https://github.com/kubernetes/dns/tree/master/cmd/node-cache
LISTEN_FLAGS: Final = ("-localip", "--localip")


class DetectedDns(Struct, frozen=True):
    """The name servers of one cluster.

    `preset` is the meaning of `network.dns: auto` there; `addresses` are the addresses of the DNS Service and of the cache on
    each node; `behind` are the Pods of both, where the preset does not include them and policies can select them; `unread` names the objects that the process
    may not read.
    """

    preset: str = FALLBACK
    addresses: tuple[str, ...] = ()
    pods: tuple[DnsEndpoint, ...] = ()
    unread: tuple[str, ...] = ()


OFFLINE_DEFAULTS: Final = DetectedDns()


def dns_endpoints(
    dns: str | tuple[DnsEndpoint, ...], *, detected: DetectedDns = OFFLINE_DEFAULTS
) -> tuple[DnsEndpoint, ...]:
    """Return the name servers that `network.dns` means in a cluster.

    A list has no additions. A preset of a cluster that may have a cache on each node includes the detected addresses of its DNS Service.
    """
    if isinstance(dns, tuple):
        return dns
    preset = detected.preset if dns == "auto" else dns
    if preset not in WITH_ADDRESSES:
        return PRESETS[preset]
    known = {cidr for one in PRESETS[preset] for cidr in one.cidrs}
    found = tuple(cidr for cidr in map(as_network, detected.addresses) if cidr not in known)
    return (*PRESETS[preset], *detected.pods, *([DnsEndpoint(cidrs=found)] if found else ()))


def as_network(address: str) -> str:
    """Return the network of one address."""
    return f"{address}/{ip_address(address).max_prefixlen}"


def detect_preset(*, api_groups: frozenset[str], kube_system_labels: Mapping[str, str]) -> str:
    """Return the preset that fits a cluster, by the API groups that it serves and the labels of its kube-system namespace.

    AKS marks its own namespaces with `kubernetes.azure.com/managedby: aks`. GKE serves the CRDs of its load balancers in every cluster
    (https://cloud.google.com/kubernetes-engine/docs/how-to/ingress-configuration).
    """
    if "config.openshift.io" in api_groups:
        return "openshift"
    if kube_system_labels.get("kubernetes.azure.com/managedby") == "aks":
        return "aks"
    if "networking.gke.io" in api_groups:
        return "gke"
    return FALLBACK


def service_addresses(service: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses of a DNS Service in the cluster, of both IP versions; none for a Service without port 53."""
    spec = service.get("spec") or {}
    if not any(port.get("port") == DNS_PORT for port in spec.get("ports") or ()):
        return ()
    return usable_addresses(spec.get("clusterIPs") or [spec.get("clusterIP") or ""])


def service_pods(service: Mapping[str, Any]) -> tuple[DnsEndpoint, ...]:
    """Return the Pods of a DNS Service in kube-system, by its selector and on the ports that it leads to.

    None where KUBE_DNS includes them. Policies see a query after the translation from the Service to the Pod: Gardener's
    servers listen on 8053, and those of CoreDNS' chart have other labels.
    """
    spec = service.get("spec") or {}
    targets = [port.get("targetPort") for port in spec.get("ports") or () if port.get("port") == DNS_PORT]
    # A named target port is 53 in the manifests of CoreDNS and kube-dns.
    numbers = sorted({target if isinstance(target, int) else DNS_PORT for target in targets})[:MOST_ADDRESSES]
    selector = spec.get("selector") or {}
    if not numbers or (numbers == [DNS_PORT] and KUBE_DNS.pod_labels.items() <= selector.items()):
        return ()
    return system_pods(selector, numbers)


def cache_pods(daemon_set: Mapping[str, Any]) -> tuple[DnsEndpoint, ...]:
    """Return the Pods of NodeLocal DNSCache; none where they are in the node's network, in which no policy selects Pods.

    Cilium's local redirect policies redirect queries to Pods of the cache that have their own addresses, and network policies see these
    (https://docs.cilium.io/en/stable/network/kubernetes/local-redirect-policy/).
    """
    spec = daemon_set.get("spec") or {}
    template = spec.get("template") or {}
    if (template.get("spec") or {}).get("hostNetwork"):
        return ()
    return system_pods((spec.get("selector") or {}).get("matchLabels") or {}, [DNS_PORT])


def system_pods(selector: Mapping[str, str], numbers: Iterable[int]) -> tuple[DnsEndpoint, ...]:
    """Return Pods of kube-system by their labels as name servers; none without a label, or for labels that no policy can name."""
    ports = tuple(f"{number}/{protocol}" for number in numbers for protocol in ("UDP", "TCP"))
    try:
        printed(labels(selector))
        found = DnsEndpoint(namespaceLabels=KUBE_DNS.namespace_labels, podLabels=dict(selector), ports=ports)
    except ValueError:  # this error must not prevent the isolation of a namespace
        return ()
    return (found,)


def cache_addresses(daemon_set: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the addresses that the containers of a DaemonSet of NodeLocal DNSCache listen on."""
    pod = ((daemon_set.get("spec") or {}).get("template") or {}).get("spec") or {}
    return usable_addresses(
        address
        for container in pod.get("containers") or ()
        for listed in listen_values([*(container.get("command") or ()), *(container.get("args") or ())])
        for address in listed.split(",")
    )


def listen_values(words: list[str]) -> Iterator[str]:
    """Yield the values of the flag `-localip`, in each form that Go's flag package accepts."""
    for at, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in LISTEN_FLAGS:
            yield value if equals else next(iter(words[at + 1 :]), "")


def usable_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the texts that are addresses to which a Pod can send a query, each once and in its usual spelling."""
    found = (address for text in texts if (address := read_address(text.strip())) is not None)
    return tuple(islice(dict.fromkeys(map(str, found)), MOST_ADDRESSES))


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address; None for other text, and for addresses that are not those of one other host."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    is_host = not (address.is_unspecified or address.is_loopback or address.is_multicast)
    return address if is_host and "%" not in text else None
