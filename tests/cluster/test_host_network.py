"""Tests Pods on the host network, where no policy applies: managed namespaces reject them from any creator."""

from typing import Any

import pytest

from tests.cluster.installation import Installation, eventually, names
from tests.cluster.manifests import GOOD, deployment, every_kind, namespace, pod, pod_spec, with_host_network

Json = dict[str, Any]

KINDS = sorted(every_kind("x", {}))
PLACES = {
    "CronJob": "spec.jobTemplate.spec.template.spec.hostNetwork",
    "Pod": "spec.hostNetwork",
    "PodTemplate": "template.spec.hostNetwork",
}
SAYS = (
    "the Pod would use the network of its node, where network policies do not apply; "
    "remove hostNetwork, or ask an administrator for an exception"
)
PLAIN = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_refused_where_it_is_applied(catflap: Installation, namespace_name: str, kind: str) -> None:
    """The message has the path of the field; without that field the Pod is admitted."""
    catflap.apply(namespace(namespace_name))
    manifest = every_kind(namespace_name, GOOD)[kind]
    done = catflap.apply(with_host_network(manifest))
    path = PLACES.get(kind, "spec.template.spec.hostNetwork")
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"{kind} {namespace_name}/one-{kind.lower()} has 1 violation:\n- no-host-network: {path}: {SAYS}\n"
    )
    done = catflap.apply(manifest)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_isolation_it_is_not_judged(catflap: Installation, older: str, namespace_name: str) -> None:
    """This is an older namespace or an exempt one."""
    catflap.configure({"namespaces": {"exempt": [namespace_name]}})
    catflap.apply(namespace(namespace_name))
    for space in (older, namespace_name):
        for kind in KINDS:
            done = catflap.apply(with_host_network(every_kind(space, GOOD)[kind]))
            assert (done.returncode, done.stderr) == (0, "")


def test_an_exception_lets_it_in_on_record(catflap: Installation, namespace_name: str) -> None:
    """The record names the owner of the exception, for the template and each Pod; it does not cover other violations."""
    waiver = {
        "rule": "no-host-network",
        "namespace": namespace_name,
        "owner": "sre",
        "reason": "node exporter",
        "until": "9999-12-31",
    }
    catflap.configure({"exceptions": [waiver]})
    catflap.apply(namespace(namespace_name))
    done = catflap.apply(with_host_network(deployment("exporter", namespace_name, GOOD)))
    assert (done.returncode, done.stderr) == (0, "")
    pods = f"/api/v1/namespaces/{namespace_name}/pods"
    found = eventually(lambda: catflap.cluster.api("GET", pods)["items"])
    assert found[0]["spec"]["hostNetwork"] is True
    ours = [
        one
        for one in catflap.server.records()
        if one.get("phase") == "validate" and one["objectRef"].get("namespace") == namespace_name
    ]
    judged = [one for one in ours if one["objectRef"]["resource"] != "namespaces"]
    assert {one["objectRef"]["resource"] for one in judged} == {"deployments", "replicasets", "pods"}
    for one in judged:
        assert one["decision"] == "allowed"
        assert one["reasonCode"] == "ExceptionApplied"
        assert one["reason"] == "exception to no-host-network until 9999-12-31, sre: node exporter"
        assert [fault["rule"] for fault in one["audited"]] == ["no-host-network"]
    refused = catflap.apply(with_host_network(pod("bare", namespace_name, {"app": "x"})))
    assert refused.returncode == 1
    assert "no-host-network" not in refused.stderr


HOST_PROCESS = {"windowsOptions": {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}}


def of_pod(spec: Json) -> None:
    """The field is set for the whole Pod."""
    spec["securityContext"] = HOST_PROCESS


def of_container(spec: Json) -> None:
    """The field is set for its only container."""
    spec["containers"] = [{**spec["containers"][0], "securityContext": HOST_PROCESS}]


@pytest.mark.parametrize("said", [of_pod, of_container])
@pytest.mark.parametrize("kind", ["Pod", "DaemonSet"])
def test_a_windows_host_process_has_to_say_that_it_is_there(
    catflap: Installation, namespace_name: str, kind: str, said: Any
) -> None:
    """The rule relies on this: the API server rejects a contradiction, so reading one field is enough."""
    catflap.apply(namespace(namespace_name))
    manifest = every_kind(namespace_name, GOOD)[kind]
    pod_spec(manifest)["os"] = {"name": "windows"}
    said(pod_spec(manifest))
    silent = catflap.apply(manifest)
    assert silent.returncode == 1
    assert "hostNetwork must be true if pod contains any hostProcess containers" in silent.stderr
    assert "catflap" not in silent.stderr
    assert SAYS in catflap.apply(with_host_network(manifest)).stderr


def test_earlier_workloads_keep_running(catflap: Installation, older: str) -> None:
    """The DaemonSet is older than catflap, and its namespace was isolated later: a new node gets its Pod, which is recorded."""
    catflap.configure({"namespaces": {"includeExisting": [older]}})
    eventually(lambda: "catflap-default-deny" in names(catflap.cluster.api("GET", PLAIN.format(older))))
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{older}", "labels": {"for": older}}}
    catflap.cluster.api("POST", "/api/v1/nodes", node)
    try:
        pods = f"/api/v1/namespaces/{older}/pods"
        found = eventually(
            lambda: [one for one in catflap.cluster.api("GET", pods)["items"] if one["spec"].get("hostNetwork")],
            within=60,
        )
    finally:
        catflap.cluster.api("DELETE", f"/api/v1/nodes/node-{older}")
    assert found[0]["metadata"]["generateName"] == "agent-"
    records = [one for one in catflap.server.records() if one.get("objectRef", {}).get("namespace") == older]
    record = next(one for one in records if one["user"]["username"].endswith(":daemon-set-controller"))
    assert (record["decision"], record["reasonCode"]) == ("exempt", "OlderOwner")
    assert "no-host-network" in {fault["rule"] for fault in record["audited"]}
    done = catflap.apply(with_host_network(every_kind(older, GOOD)["DaemonSet"]))
    assert SAYS in done.stderr
