"""Which name servers stay open."""

import pytest

from webhook.model.network import DnsEndpoint
from webhook.netpol.dns import FALLBACK, KUBE_DNS, PRESETS, detect, endpoints

AKS = {"kubernetes.azure.com/managedby": "aks"}
OPENSHIFT = frozenset({"apps", "config.openshift.io"})


@pytest.mark.parametrize(
    ("groups", "labels", "preset"),
    [
        pytest.param(frozenset({"apps"}), {}, "node-local", id="nothing special: the two that most clusters have"),
        pytest.param(OPENSHIFT, {}, "openshift", id="OpenShift, by its API group"),
        pytest.param(frozenset({"apps"}), AKS, "aks", id="AKS, by the label of its namespaces"),
        pytest.param(OPENSHIFT, AKS, "openshift", id="OpenShift on Azure has OpenShift's servers"),
        pytest.param(
            frozenset({"apps"}), {"kubernetes.azure.com/managedby": "me"}, "node-local", id="another value of the label"
        ),
    ],
)
def test_the_preset_is_found_by_what_the_cluster_shows(
    groups: frozenset[str], labels: dict[str, str], preset: str
) -> None:
    """Each of them is one of ours."""
    found = detect(api_groups=groups, kube_system_labels=labels)
    assert found == preset
    assert found in PRESETS


def test_an_explicit_list_is_taken_as_it_is() -> None:
    """Whatever was detected."""
    own = (DnsEndpoint(cidrs=("10.0.0.0/8",)),)
    assert endpoints(own, detected="openshift") == own
    assert endpoints((), detected="openshift") == ()


def test_auto_falls_back_to_what_most_clusters_have() -> None:
    """Where no cluster was asked."""
    assert endpoints("auto") == PRESETS[FALLBACK]
    assert endpoints("auto", detected="kube-dns") == (KUBE_DNS,)


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset != "none"])
def test_a_preset_opens_both_protocols(preset: str) -> None:
    """A long answer comes over TCP."""
    for endpoint in PRESETS[preset]:
        assert {port.partition("/")[2] for port in endpoint.ports} == {"UDP", "TCP"}
