"""Tests values for platforms, meshes and scanners: each one is rendered, and what the chart itself needs stays."""

from pathlib import Path
from typing import Any

import pytest

from tests.chart.conftest import Helm, Render
from tests.chart.rendering import CHART, DEFAULT, NAMESPACE, ROLES, Rendered, for_each_values_file
from tests.chart.test_pods import container

EVERYTHING = CHART / "tests" / "everything.yaml"
HOST = CHART / "tests" / "host-network.yaml"


@for_each_values_file
def test_every_object_has_the_common_labels(render: Render, values_file: Path) -> None:
    """Pods have the pod labels in addition; none of them is in a selector."""
    rendered = render(values_file)
    common, pods = rendered.values["commonLabels"], rendered.values["podLabels"]
    for found in rendered.objects:
        assert common.items() <= found["metadata"]["labels"].items(), found["kind"]
    for pod in rendered.pods.values():
        assert {**common, **pods}.items() <= pod["metadata"]["labels"].items()
    for found in rendered.of("Deployment", "PodDisruptionBudget"):
        assert set(found["spec"]["selector"]["matchLabels"]) == {"app", "role"}


def test_labels_of_both_kinds_may_share_a_key(helm: Helm) -> None:
    """A document has each key once, as the API server rejects others; the label for Pods wins."""
    both = ("commonLabels.team=a", "podLabels.team=b")
    done = helm("template", "catflap", str(CHART), "--namespace", NAMESPACE, settings=both)
    assert done.returncode == 0, done.stderr
    labels = [pod["metadata"]["labels"]["team"] for pod in Rendered(DEFAULT, done.stdout).pods.values()]
    assert labels == ["b", "b"]


@pytest.mark.parametrize("role", ROLES)
def test_each_value_arrives(render: Render, role: str) -> None:
    """It is at the path where Kubernetes expects it."""
    rendered = render(EVERYTHING)
    values, pod, found = rendered.values, rendered.pods[role]["spec"], container(rendered, role)
    assert pod["runtimeClassName"] == values["runtimeClassName"]
    assert [one for one in found["env"] if one in values["extraEnv"]] == values["extraEnv"]
    assert [one for one in pod["volumes"] if one in values["extraVolumes"]] == values["extraVolumes"]
    assert [one for one in found["volumeMounts"] if one in values["extraVolumeMounts"]] == values["extraVolumeMounts"]
    own = {"labelSelector": {"matchLabels": {"app": "catflap", "role": role}}}
    assert pod["topologySpreadConstraints"] == [own | one for one in values["topologySpreadConstraints"]]
    assert found["startupProbe"]["failureThreshold"] == values["probes"]["startup"]["failureThreshold"]
    assert found["livenessProbe"]["timeoutSeconds"] == values["probes"]["liveness"]["timeoutSeconds"]
    assert values["probes"]["readiness"].items() <= found["readinessProbe"].items()
    account = rendered.get("ServiceAccount", pod["serviceAccountName"])
    assert account["metadata"]["annotations"] == values[role]["serviceAccount"]["annotations"]
    [deployment] = [one for one in rendered.of("Deployment") if one["spec"]["template"]["spec"] == pod]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == values["rollingUpdate"]


def test_the_service_has_its_annotations_and_families(render: Render) -> None:
    """The field is valid for one type of Service only."""
    rendered = render(EVERYTHING)
    wanted = rendered.values["service"]
    assert rendered.service["metadata"]["annotations"] == wanted["annotations"]
    assert rendered.service["spec"]["ipFamilyPolicy"] == wanted["ipFamilyPolicy"]
    assert rendered.service["spec"]["ipFamilies"] == wanted["ipFamilies"]
    assert not {"ipFamilyPolicy", "ipFamilies"} & set(render(DEFAULT).service["spec"])


def test_a_value_of_nothing_counts(helm: Helm) -> None:
    """A 0 is a number, though templates treat it as a missing value."""
    settings = ("rollingUpdate.maxSurge=0", "rollingUpdate.maxUnavailable=1", "probes.readiness.initialDelaySeconds=0")
    rendered = Rendered(DEFAULT, helm("template", "catflap", str(CHART), settings=settings).stdout)
    for found in rendered.of("Deployment"):
        assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    for role in ROLES:
        assert container(rendered, role)["readinessProbe"]["initialDelaySeconds"] == 0


def test_on_the_nodes_network_the_replicas_make_room_for_each_other(render: Render) -> None:
    """Two of them cannot share a port of one node, and names are still resolved in the cluster."""
    rendered = render(HOST)
    pod, found = rendered.pods["server"]["spec"], container(rendered, "server")
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert {one["name"]: one["containerPort"] for one in found["ports"]} == {"status": 10261, "https": 10260}
    strategies = {
        one["metadata"]["name"]: one["spec"]["strategy"]["rollingUpdate"] for one in rendered.of("Deployment")
    }
    assert strategies["catflap"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert strategies["catflap-controller"] == {"maxSurge": 1, "maxUnavailable": 0}
    # A NetworkPolicy does not apply to Pods on the host network.
    assert [one["metadata"]["name"] for one in rendered.of("NetworkPolicy")] == ["catflap-controller"]
    assert "hostNetwork" not in rendered.pods["controller"]["spec"]


def test_a_single_replica_on_the_nodes_network_is_not_stopped_first(helm: Helm) -> None:
    """No server would answer in the meantime."""
    settings = ("server.hostNetwork=true", "server.replicas=1")
    rendered = Rendered(DEFAULT, helm("template", "catflap", str(CHART), settings=settings).stdout)
    assert rendered.get("Deployment", "catflap")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@for_each_values_file
def test_ports_are_the_same_everywhere(render: Render, values_file: Path) -> None:
    """The port appears in the Pods, in the NetworkPolicy and for Prometheus."""
    rendered = render(values_file)
    for policy in rendered.of("NetworkPolicy"):
        role = policy["spec"]["podSelector"]["matchLabels"]["role"]
        listening = {one["containerPort"] for one in container(rendered, role)["ports"]}
        assert {one["port"] for rule in policy["spec"]["ingress"] for one in rule["ports"]} == listening
    for role, pod in rendered.pods.items():
        [status] = [one["containerPort"] for one in container(rendered, role)["ports"] if one["name"] == "status"]
        annotations: dict[str, Any] = pod["metadata"].get("annotations", {})
        assert annotations.get("prometheus.io/port", str(status)) == str(status)


@for_each_values_file
def test_the_way_to_the_api_server_is_open(render: Render, values_file: Path) -> None:
    """Each policy has a rule that allows the Pods to connect over TCP; none is empty or null."""
    for policy in render(values_file).of("NetworkPolicy"):
        rules = policy["spec"]["egress"]
        ports = [port for rule in rules for port in rule.get("ports", [{}])]
        assert all(isinstance(rule, dict) for rule in rules)
        assert any(port.get("protocol", "TCP") == "TCP" for port in ports)


@pytest.mark.parametrize(
    ("values_file", "settings", "namespace", "classes"),
    [
        pytest.param(DEFAULT, (), NAMESPACE, ["system-cluster-critical"], id="by-default"),
        pytest.param(DEFAULT, (), "kube-system", [], id="in-kube-system"),
        pytest.param(CHART / "tests" / "fs-group.yaml", (), NAMESPACE, ["system-node-critical"], id="node-critical"),
        pytest.param(EVERYTHING, (), NAMESPACE, [], id="another-class"),
        pytest.param(DEFAULT, ("priorityClassName=",), NAMESPACE, [], id="no-class"),
        pytest.param(DEFAULT, ("priorityClassName=null",), NAMESPACE, [], id="null-class"),
        pytest.param(DEFAULT, ("resourceQuota=false",), NAMESPACE, [], id="not-wanted"),
    ],
)
def test_a_quota_permits_the_class_where_clusters_ask_for_one(
    helm: Helm, values_file: Path, settings: tuple[str, ...], namespace: str, classes: list[str]
) -> None:
    """It limits no more than any cluster supports."""
    done = helm("template", "catflap", str(CHART), "--namespace", namespace, values=values_file, settings=settings)
    assert done.returncode == 0, done.stderr
    quotas = list(Rendered(values_file, done.stdout).of("ResourceQuota"))
    assert [one["spec"]["scopeSelector"]["matchExpressions"][0]["values"] for one in quotas] == [
        [one] for one in classes
    ]
