"""The allowed name servers of each type of cluster."""

from typing import Any, Final

import pytest

from webhook.model.network import DnsEndpoint
from webhook.netpol.dns import (
    FALLBACK,
    KUBE_DNS,
    MOST_ADDRESSES,
    PRESETS,
    WITH_ADDRESSES,
    DetectedDns,
    cache_addresses,
    cache_pods,
    detect_preset,
    dns_endpoints,
    service_addresses,
    service_pods,
)

AKS = {"kubernetes.azure.com/managedby": "aks"}
OPENSHIFT = frozenset({"apps", "config.openshift.io"})


@pytest.mark.parametrize(
    ("groups", "labels", "preset"),
    [
        pytest.param(frozenset({"apps"}), {}, "node-local", id="nothing special: the two that most clusters have"),
        pytest.param(OPENSHIFT, {}, "openshift", id="OpenShift, by its API group"),
        pytest.param(frozenset({"apps"}), AKS, "aks", id="AKS, by the label of its namespaces"),
        pytest.param(frozenset({"networking.gke.io"}), {}, "gke", id="GKE, by its API group"),
        pytest.param(OPENSHIFT, AKS, "openshift", id="OpenShift on Azure has OpenShift's servers"),
        pytest.param(
            frozenset({"apps"}), {"kubernetes.azure.com/managedby": "me"}, "node-local", id="another value of the label"
        ),
    ],
)
def test_preset_is_detected_from_the_cluster(groups: frozenset[str], labels: dict[str, str], preset: str) -> None:
    """Each of them is one of catflap's presets."""
    found = detect_preset(api_groups=groups, kube_system_labels=labels)
    assert found == preset
    assert found in PRESETS


def test_explicit_list_is_unchanged() -> None:
    """The detected name servers do not matter."""
    own = (DnsEndpoint(cidrs=("10.0.0.0/8",)),)
    assert dns_endpoints(own, detected=DetectedDns("openshift")) == own
    assert dns_endpoints((), detected=DetectedDns("openshift")) == ()


def test_auto_falls_back_to_the_common_preset() -> None:
    """There is no cluster."""
    assert dns_endpoints("auto") == PRESETS[FALLBACK]
    assert dns_endpoints("auto", detected=DetectedDns("kube-dns")) == (KUBE_DNS,)


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset != "none"])
def test_a_preset_opens_both_protocols(preset: str) -> None:
    """Long answers need TCP."""
    for endpoint in PRESETS[preset]:
        assert {port.partition("/")[2] for port in endpoint.ports} == {"UDP", "TCP"}


ADDRESSES: Final = ("10.96.0.10", "fd00:10:96::a", "169.254.25.10")
NETWORKS: Final = ("10.96.0.10/32", "fd00:10:96::a/128", "169.254.25.10/32")


@pytest.mark.parametrize("preset", sorted(WITH_ADDRESSES))
def test_a_preset_with_a_cache_includes_the_addresses_found(preset: str) -> None:
    """Each appears once, for `auto` and for the preset's name, on the ports of name servers."""
    known = {cidr for one in PRESETS[preset] for cidr in one.cidrs}
    more = DnsEndpoint(cidrs=tuple(cidr for cidr in NETWORKS if cidr not in known))
    wanted = (*PRESETS[preset], more)
    assert dns_endpoints("auto", detected=DetectedDns(preset, ADDRESSES)) == wanted
    assert dns_endpoints(preset, detected=DetectedDns("openshift", ADDRESSES)) == wanted
    assert more.ports == ("53/UDP", "53/TCP")


@pytest.mark.parametrize("dns", [*sorted(set(PRESETS) - WITH_ADDRESSES), (KUBE_DNS,), ()])
def test_explicit_preset_includes_no_detected_address(dns: str | tuple[DnsEndpoint, ...]) -> None:
    """The policy file overrides the detected name servers."""
    assert dns_endpoints(dns, detected=DetectedDns("gke", ADDRESSES)) == dns_endpoints(dns)


def service(*addresses: str, port: int = 53, **more: Any) -> dict[str, Any]:
    """Return a Service of the API server."""
    return {"spec": {"clusterIP": addresses[0], "clusterIPs": [*addresses], "ports": [{"port": port}], **more}}


@pytest.mark.parametrize(
    ("found", "addresses"),
    [
        pytest.param(service("10.96.0.10"), ("10.96.0.10",), id="one IP version"),
        pytest.param(service("10.96.0.10", "fd00::a"), ("10.96.0.10", "fd00::a"), id="dual-stack"),
        pytest.param(service("fd00:0::A"), ("fd00::a",), id="another spelling"),
        pytest.param(service("10.96.0.10", clusterIPs=None), ("10.96.0.10",), id="before clusterIPs"),
        pytest.param(service("None"), (), id="headless"),
        pytest.param({"spec": {"type": "ExternalName", "externalName": "dns.example"}}, (), id="another name"),
        pytest.param(service("10.96.0.10", port=443), (), id="no name server"),
        pytest.param({}, (), id="none"),
    ],
)
def test_the_addresses_of_a_service(found: dict[str, Any], addresses: tuple[str, ...]) -> None:
    """A Service with port 53 has addresses of both IP versions."""
    assert service_addresses(found) == addresses


def daemon_set(**container: list[str]) -> dict[str, Any]:
    """Return a DaemonSet of one container, and another container without arguments."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "config"}, container]}}}}


@pytest.mark.parametrize(
    ("args", "addresses"),
    [
        pytest.param(
            ["-localip", "169.254.20.10,10.96.0.10", "-conf", "x"], ("169.254.20.10", "10.96.0.10"), id="iptables"
        ),
        pytest.param(["-localip", "169.254.25.10", "-conf", "x"], ("169.254.25.10",), id="kubespray, IPVS"),
        pytest.param(["-localip=fd00::10,fd00::A"], ("fd00::10", "fd00::a"), id="IPv6, one word"),
        pytest.param(
            ["-conf", "x", "--localip", " 10.0.0.1 , 10.0.0.1"], ("10.0.0.1",), id="two dashes, twice, blanks"
        ),
        pytest.param(["-conf", "x", "-localip"], (), id="no value"),
        pytest.param(["-localip", "0.0.0.0,::,127.0.0.1,::1,224.0.0.1,fe80::1%eth0"], (), id="no single other host"),
        pytest.param(["-localip", "__PILLAR__LOCAL__DNS__,$(HOST_IP)"], (), id="a template"),
        pytest.param(["-localips", "10.0.0.1", "169.254.20.10"], (), id="another flag"),
        pytest.param(["-localip", "::ffff:10.0.0.1,::ffff:0.0.0.0"], ("10.0.0.1",), id="IPv4 in IPv6"),
        pytest.param([], (), id="no arguments"),
    ],
)
@pytest.mark.parametrize("key", ["args", "command"])
def test_the_addresses_of_a_cache(key: str, args: list[str], addresses: tuple[str, ...]) -> None:
    """The addresses are those of its flags."""
    assert cache_addresses(daemon_set(**{key: args})) == addresses


def test_only_so_many_addresses_are_taken() -> None:
    """Each address is a rule in every namespace."""
    many = ",".join(f"10.0.0.{last}" for last in range(1, 200))
    assert len(cache_addresses(daemon_set(args=["-localip", many]))) == MOST_ADDRESSES


def test_no_daemon_set_has_no_addresses() -> None:
    """It is treated as most clusters."""
    assert cache_addresses({}) == ()


KUBE_DNS_LABELS: Final = {"k8s-app": "kube-dns"}
COREDNS_LABELS: Final = {"k8s-app": "coredns", "app.kubernetes.io/name": "coredns"}


def ports(*targets: int | str | None) -> list[dict[str, Any]]:
    """Return port 53 of a Service in UDP and TCP for each target, and a port for metrics."""
    leads = [{"port": 53, "targetPort": one} if one else {"port": 53} for one in targets]
    return [
        *({**one, "protocol": protocol} for one in leads for protocol in ("UDP", "TCP")),
        {"port": 9153, "targetPort": 9153},
    ]


@pytest.mark.parametrize(
    ("selector", "listed", "behind"),
    [
        pytest.param(KUBE_DNS_LABELS, ports(53), None, id="kubeadm"),
        pytest.param(KUBE_DNS_LABELS, ports(None), None, id="no target"),
        pytest.param(KUBE_DNS_LABELS, ports("dns"), None, id="a named target"),
        pytest.param({**KUBE_DNS_LABELS, "app.kubernetes.io/name": "rke2-coredns"}, ports(53), None, id="RKE2"),
        pytest.param(KUBE_DNS_LABELS, ports(8053), ("8053/UDP", "8053/TCP"), id="Gardener"),
        pytest.param(KUBE_DNS_LABELS, ports(53, 8053), ("53/UDP", "53/TCP", "8053/UDP", "8053/TCP"), id="two targets"),
        pytest.param(COREDNS_LABELS, ports(53), ("53/UDP", "53/TCP"), id="the chart of CoreDNS"),
        pytest.param({f"{'k' * 60}{one}": "v" * 60 for one in range(20)}, ports(53), None, id="too long for a policy"),
        pytest.param({}, ports(8053), None, id="no selector, so no Pods by labels"),
        pytest.param(COREDNS_LABELS, [{"port": 443, "targetPort": 8443}], None, id="no name server"),
    ],
)
def test_the_pods_behind_a_service(
    selector: dict[str, str], listed: list[dict[str, Any]], behind: tuple[str, ...] | None
) -> None:
    """They have its selector, its target ports, and both protocols; Pods that the presets include are not repeated."""
    found = service_pods({"spec": {"selector": selector, "ports": listed}})
    space = {"kubernetes.io/metadata.name": "kube-system"}
    assert found == (() if behind is None else (DnsEndpoint(namespaceLabels=space, podLabels=selector, ports=behind),))
    assert dns_endpoints("auto", detected=DetectedDns("gke", pods=found)) == (*PRESETS["gke"], *found)
    assert dns_endpoints("kube-dns", detected=DetectedDns("gke", pods=found)) == PRESETS["kube-dns"]
    assert service_pods({}) == ()


CACHE_LABELS: Final = {"k8s-app": "node-local-dns"}


@pytest.mark.parametrize(
    ("selector", "pod", "is_found"),
    [
        pytest.param({"matchLabels": CACHE_LABELS}, {"hostNetwork": True}, False, id="in the node's network"),
        pytest.param({"matchLabels": CACHE_LABELS}, {"hostNetwork": False}, True, id="with addresses of their own"),
        pytest.param({"matchLabels": CACHE_LABELS}, {}, True, id="by default"),
        pytest.param({}, {}, False, id="without a label"),
    ],
)
def test_the_pods_of_a_cache(selector: dict[str, Any], pod: dict[str, Any], is_found: bool) -> None:
    """A policy can select them, for example with Cilium's local redirect policies."""
    space = {"kubernetes.io/metadata.name": "kube-system"}
    wanted = (DnsEndpoint(namespaceLabels=space, podLabels=CACHE_LABELS),) if is_found else ()
    assert cache_pods({"spec": {"selector": selector, "template": {"spec": pod}}}) == wanted
    assert cache_pods({}) == ()
