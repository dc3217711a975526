"""Detect the name servers of a cluster: by the type of the cluster, its DNS Service, and its DNS cache on each node."""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from webhook.kube import paths
from webhook.kube.api import Api, ApiError, Json
from webhook.kube.namespaces import namespace_path
from webhook.model.network import DnsEndpoint
from webhook.netpol.dns import (
    OFFLINE_DEFAULTS,
    WITH_ADDRESSES,
    DetectedDns,
    cache_addresses,
    cache_pods,
    detect_preset,
    service_addresses,
    service_pods,
)

DNS_NAMESPACE: Final = "kube-system"
# The first one that exists counts. `kube-dns` is the name that Kubernetes' conformance documents give the Service, and that kubeadm, kOps,
# k3s and the managed services use; `coredns` is kubespray's (roles/kubernetes-apps/ansible/templates/coredns-svc.yml.j2), the third is
# that of RKE2's chart.
SERVICES: Final = ("kube-dns", "coredns", "rke2-coredns-rke2-coredns")
# Kubernetes' own manifest of NodeLocal DNSCache (cluster/addons/dns/nodelocaldns), which GKE, kOps and RKE2 follow; kubespray's.
DAEMON_SETS: Final = ("node-local-dns", "nodelocaldns")


class NameServerDetector:
    """Detects the name servers of a cluster, and reports each change of the result.

    `on_change` is called with a description of the name servers.
    """

    def __init__(self, api: Api, on_change: Callable[[str], None]) -> None:
        self._api = api
        self._on_change = on_change
        self._reported = ""

    def look(self, dns: str | tuple[DnsEndpoint, ...]) -> DetectedDns:
        """Return the name servers that the policy file's `network.dns` needs; send no request where the file lists all of them.

        Raises ApiError where the API server does not answer, so that the caller keeps the last result.
        """
        if isinstance(dns, tuple) or (dns != "auto" and dns not in WITH_ADDRESSES):
            return OFFLINE_DEFAULTS
        preset = self._preset() if dns == "auto" else dns
        found = self._with_addresses(preset) if preset in WITH_ADDRESSES else DetectedDns(preset)
        said = describe_name_servers(dns, found)
        if said != self._reported:
            self._reported = said
            self._on_change(said)
        return found

    def _preset(self) -> str:
        """Return the preset that fits the cluster.  Raises ApiError."""
        groups = self._api.get("/apis") or {}
        names = frozenset(group["name"] for group in groups.get("groups", ()))
        kube_system = self._api.get(namespace_path(DNS_NAMESPACE)) or {"metadata": {}}
        return detect_preset(api_groups=names, kube_system_labels=kube_system["metadata"].get("labels") or {})

    def _with_addresses(self, preset: str) -> DetectedDns:
        """Return a preset with the addresses of the DNS Service and of the caches.  Raises ApiError."""
        unread: list[str] = []
        service = self._first("v1", "services", SERVICES, unread)
        cache = self._first("apps/v1", "daemonsets", DAEMON_SETS, unread)
        addresses = (*service_addresses(service), *cache_addresses(cache))
        return DetectedDns(
            preset, tuple(dict.fromkeys(addresses)), (*service_pods(service), *cache_pods(cache)), tuple(unread)
        )

    def _first(self, version: str, resource: str, names: tuple[str, ...], unread: list[str]) -> Mapping[str, Any]:
        """Return the first object of these names that exists; an empty one where there is none.

        Add to `unread` what this process may not read: a namespace that is isolated without these addresses is safer than one that stays
        open until an administrator grants the right. Raises ApiError.
        """
        for name in names:
            try:
                found: Json | None = self._api.get(
                    paths.under(paths.collection(version, resource, DNS_NAMESPACE), name)
                )
            except ApiError as error:
                if error.status != HTTPStatus.FORBIDDEN:
                    raise
                unread.append(f"{resource}/{name}")
                continue
            if found is not None:
                return found
        return {}


def describe_name_servers(dns: str, found: DetectedDns) -> str:
    """Return in words which name servers a cluster has."""
    return " ".join(sentences(dns, found))


def sentences(dns: str, found: DetectedDns) -> Iterator[str]:
    """Yield the sentences of a description."""
    yield f"network.dns: {dns}: Pods can connect to the name servers of the preset {found.preset}."
    if found.addresses:
        yield (
            f"Pods can also connect to {', '.join(found.addresses)}, the addresses of the DNS Service and the "
            f"node cache in {DNS_NAMESPACE}."
        )
    for one in found.pods:
        pods = ", ".join(f"{key}={value}" for key, value in one.pod_labels.items())
        yield f"Pods can also connect to the Pods {pods} in {DNS_NAMESPACE} on {', '.join(one.ports)}."
    if not found.addresses and found.preset in WITH_ADDRESSES:
        yield (
            f"catflap found no address: namespace {DNS_NAMESPACE} has no {' or '.join(SERVICES)} (Service), no "
            f"{' or '.join(DAEMON_SETS)} (DaemonSet)."
        )
    if found.unread:
        yield (
            f"The controller may not read in namespace {DNS_NAMESPACE}: {', '.join(found.unread)}; grant the "
            "controller get, or list addresses in network.dns."
        )
