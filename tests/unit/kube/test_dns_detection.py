"""Name servers are detected from the objects of an API server."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from webhook.kube.api import Api, ApiError, Json
from webhook.kube.dns_detection import DAEMON_SETS, SERVICES, NameServerDetector
from webhook.model.network import DnsEndpoint
from webhook.netpol.dns import OFFLINE_DEFAULTS, PRESETS, WITH_ADDRESSES, DetectedDns

SYSTEM: Final = "/api/v1/namespaces/kube-system"
CACHES: Final = "/apis/apps/v1/namespaces/kube-system/daemonsets"
PLAIN: Final[Json] = {"groups": [{"name": "apps"}]}


class Cluster(Api):
    """An API server with some objects; it raises an error that is given as an object."""

    def __init__(self, objects: Mapping[str, Json | ApiError]) -> None:
        self.objects: dict[str, Json | ApiError] = {"/apis": PLAIN, SYSTEM: {"metadata": {}}, **objects}
        self.asked: list[str] = []

    def get(self, path: str, **query: str) -> Json | None:
        """Return an object."""
        assert not query
        self.asked.append(path)
        found = self.objects.get(path)
        if isinstance(found, ApiError):
            raise found
        return found


def service(*addresses: str) -> Json:
    """Return a DNS Service."""
    return {"spec": {"clusterIPs": [*addresses], "ports": [{"port": 53, "protocol": "UDP"}]}}


def cache(addresses: str) -> Json:
    """Return a DaemonSet of NodeLocal DNSCache."""
    return {"spec": {"template": {"spec": {"hostNetwork": True, "containers": [{"args": ["-localip", addresses]}]}}}}


def seen(dns: str | tuple[DnsEndpoint, ...], objects: Mapping[str, Any]) -> tuple[DetectedDns, list[str], list[str]]:
    """Return the result, the reports, and the requested paths."""
    cluster = Cluster(objects)
    said: list[str] = []
    found = NameServerDetector(cluster, on_change=said.append).look(dns)
    return found, said, cluster.asked


@pytest.mark.parametrize(
    ("objects", "addresses"),
    [
        pytest.param({}, (), id="nothing of the usual names"),
        pytest.param(
            {f"{SYSTEM}/services/kube-dns": service("10.96.0.10", "fd00::a")}, ("10.96.0.10", "fd00::a"), id="kubeadm"
        ),
        pytest.param(
            {
                f"{SYSTEM}/services/kube-dns": service("10.96.0.10"),
                f"{CACHES}/node-local-dns": cache("169.254.20.10,10.96.0.10"),
            },
            ("10.96.0.10", "169.254.20.10"),
            id="Kubernetes' own cache, iptables",
        ),
        pytest.param(
            {f"{SYSTEM}/services/coredns": service("10.233.0.3"), f"{CACHES}/nodelocaldns": cache("169.254.25.10")},
            ("10.233.0.3", "169.254.25.10"),
            id="kubespray",
        ),
        pytest.param(
            {
                f"{SYSTEM}/services/{SERVICES[-1]}": service("10.43.0.10"),
                f"{CACHES}/node-local-dns": cache("169.254.20.10"),
            },
            ("10.43.0.10", "169.254.20.10"),
            id="RKE2",
        ),
        pytest.param(
            {f"{SYSTEM}/services/kube-dns": service("10.0.0.1"), f"{SYSTEM}/services/coredns": service("10.0.0.2")},
            ("10.0.0.1",),
            id="the first name counts",
        ),
    ],
)
def test_the_addresses_are_those_of_the_service_and_the_cache(
    objects: Mapping[str, Json], addresses: tuple[str, ...]
) -> None:
    """Each appears once; the report names them."""
    found, said, _ = seen("auto", objects)
    assert found == DetectedDns("node-local", addresses)
    assert len(said) == 1
    assert all(address in said[0] for address in addresses)
    assert ("catflap found no address" in said[0]) == (not addresses)


@pytest.mark.parametrize(
    ("around", "preset"),
    [
        pytest.param({"/apis": {"groups": [{"name": "config.openshift.io"}]}}, "openshift", id="OpenShift"),
        pytest.param({"/apis": {"groups": [{"name": "networking.gke.io"}]}}, "gke", id="GKE"),
        pytest.param({SYSTEM: {"metadata": {"labels": {"kubernetes.azure.com/managedby": "aks"}}}}, "aks", id="AKS"),
    ],
)
def test_auto_is_the_preset_of_the_cluster(around: Mapping[str, Json], preset: str) -> None:
    """It has addresses where Pods may send queries to them."""
    found, said, _ = seen("auto", {f"{SYSTEM}/services/kube-dns": service("10.0.0.10"), **around})
    assert found == DetectedDns(preset, () if preset == "openshift" else ("10.0.0.10",))
    assert f"the preset {preset}." in said[0]


@pytest.mark.parametrize("dns", [*sorted(set(PRESETS) - WITH_ADDRESSES), (), (DnsEndpoint(cidrs=("10.0.0.10/32",)),)])
def test_a_file_that_says_it_all_asks_nothing(dns: str | tuple[DnsEndpoint, ...]) -> None:
    """There is no request and no report."""
    assert seen(dns, {}) == (OFFLINE_DEFAULTS, [], [])


@pytest.mark.parametrize("preset", sorted(WITH_ADDRESSES))
def test_a_named_preset_asks_for_addresses_alone(preset: str) -> None:
    """The type of the cluster is not requested."""
    found, _, asked = seen(preset, {f"{SYSTEM}/services/kube-dns": service("10.0.0.10")})
    assert found == DetectedDns(preset, ("10.0.0.10",))
    assert not {"/apis", SYSTEM} & {*asked}


def test_what_may_not_be_read_is_named_and_isolates_all_the_same() -> None:
    """The report names the missing permission."""
    forbidden = ApiError(403, "no")
    found, said, _ = seen(
        "auto",
        {
            **{f"{SYSTEM}/services/{name}": forbidden for name in SERVICES},
            **{f"{CACHES}/{name}": forbidden for name in DAEMON_SETS},
        },
    )
    assert found.addresses == ()
    assert found.unread == (*(f"services/{name}" for name in SERVICES), *(f"daemonsets/{name}" for name in DAEMON_SETS))
    assert all(name in said[0] for name in found.unread)


@pytest.mark.parametrize("status", [0, 429, 500, 503])
@pytest.mark.parametrize("path", ["/apis", f"{SYSTEM}/services/kube-dns", f"{CACHES}/nodelocaldns"])
def test_no_answer_is_not_no_address(path: str, status: int) -> None:
    """The caller keeps the last result."""
    with pytest.raises(ApiError):
        seen("auto", {path: ApiError(status, "later")})


def test_only_a_change_is_reported() -> None:
    """A Service that is created again has another address."""
    cluster = Cluster({f"{SYSTEM}/services/kube-dns": service("10.0.0.10")})
    said: list[str] = []
    servers = NameServerDetector(cluster, on_change=said.append)
    assert servers.look("auto") == servers.look("auto")
    assert len(said) == 1
    cluster.objects[f"{SYSTEM}/services/kube-dns"] = service("10.0.0.11")
    assert servers.look("auto").addresses == ("10.0.0.11",)
    assert len(said) == 2
    assert "10.0.0.11" in said[1]


def test_the_pods_of_a_service_that_leads_elsewhere_are_named() -> None:
    """They are in the result and in the report."""
    ports = [{"port": 53, "protocol": protocol, "targetPort": 8053} for protocol in ("UDP", "TCP")]
    gardener = {"spec": {"clusterIPs": ["100.64.0.10"], "ports": ports, "selector": {"k8s-app": "kube-dns"}}}
    found, said, _ = seen("auto", {f"{SYSTEM}/services/kube-dns": gardener})
    (behind,) = found.pods
    assert behind.ports == ("8053/UDP", "8053/TCP")
    assert "k8s-app=kube-dns in kube-system on 8053/UDP, 8053/TCP" in said[0]
