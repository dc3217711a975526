"""Tests the removal from a namespace, of a feature, or from the cluster: what catflap wrote is removed, and nothing else."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.installation import CHART, NAMESPACE, RELEASE, Installation, eventually, installed
from tests.cluster.manifests import GOOD, join_manifests, namespace, pod
from tests.cluster.policies import BOTH, CLOSED, DENY, GROUPS, path, stored_policies
from tests.cluster.scans import find_report, scan
from tests.cluster.verdict_comparison import stands as twins
from tests.controlplane.client import APPLY
from tests.controlplane.cluster import running
from tests.controlplane.tools import Tools
from tests.programs import stop

Json = dict[str, Any]

NAMESPACES = "/api/v1/namespaces"
NETS = "/apis/projectcalico.org/v3/globalnetworkpolicies"
GUARD = "catflap.dev/guard"
OUR_LABEL = {"app.kubernetes.io/managed-by": "catflap"}
# Of name, label and field manager, never all three.
NOT_QUITE_OURS: Mapping[str, tuple[dict[str, str], str]] = {
    "theirs": (OUR_LABEL, "kubectl"),
    "theirs-by-our-manager": (OUR_LABEL, "catflap"),
    "catflap-named": ({}, "kubectl"),
    "catflap-unlabelled": ({}, "catflap"),
    "catflap-labelled": (OUR_LABEL, "kubectl"),
}


@pytest.fixture
def catflap(apart: Installation) -> Installation:
    """Use a separate cluster: the removal affects every namespace."""
    apart.configure()
    return apart


def leave_alone(catflap: Installation, engine: str, space: str) -> None:
    """Write policies that have some of catflap's marks."""
    version = GROUPS[engine]
    for name, (labels, manager) in NOT_QUITE_OURS.items():
        metadata = {"name": name, "labels": labels}
        body = {"apiVersion": version, "kind": "NetworkPolicy", "metadata": metadata, "spec": CLOSED[version]}
        catflap.emergency("POST", f"{path(engine, space)}?fieldManager={manager}", body)


def labels_of(catflap: Installation, space: str) -> dict[str, str]:
    """Return the stored labels."""
    return catflap.cluster.api("GET", f"{NAMESPACES}/{space}")["metadata"]["labels"]  # type: ignore[no-any-return]


def closed(catflap: Installation, space: str, engine: str = "kubernetes") -> bool:
    """Return whether a namespace has both policies of catflap, and no other."""
    return stored_policies(catflap, engine, space) == BOTH


def closure(catflap: Installation, space: str, name: str) -> str:
    """Return the isolation in the record of a Pod's creation."""
    done = catflap.apply(pod(name, space, GOOD))
    assert done.returncode == 0, done.stderr
    [record] = [
        one
        for one in catflap.server.records()
        if one.get("closure") and (one["objectRef"]["namespace"], one["objectRef"]["name"]) == (space, name)
    ]
    return str(record["closure"])


def removed(catflap: Installation, engine: str, space: str) -> list[str]:
    """Return what the controller deleted of one engine in a namespace, in order, by the API server's log."""
    account = f"system:serviceaccount:{NAMESPACE}:catflap-controller"
    return [
        event["objectRef"]["name"]
        for event in catflap.cluster.audit_events()
        if event["user"]["username"] == account
        and event["verb"] == "delete"
        and event["objectRef"].get("namespace") == space
        and event["objectRef"]["apiGroup"] == GROUPS[engine].partition("/")[0]
    ]


def test_a_namespace_exempted_later_is_left(catflap: Installation, engine: str, namespace_name: str) -> None:
    """Catflap's are removed, the default-deny last, and the label; similar ones stay."""
    catflap.apply(namespace(namespace_name))
    eventually(lambda: closed(catflap, namespace_name, engine))
    leave_alone(catflap, engine, namespace_name)
    catflap.configure({"network": {"engine": engine}, "namespaces": {"exempt": [namespace_name]}})
    eventually(
        lambda: stored_policies(catflap, engine, namespace_name), until=lambda seen: seen == sorted(NOT_QUITE_OURS)
    )
    eventually(lambda: GUARD not in labels_of(catflap, namespace_name))
    assert removed(catflap, engine, namespace_name) == BOTH
    written = [
        (one["reasonCode"], one["objectRef"]["name"])
        for one in catflap.controller.records()
        if one["type"] == "write" and namespace_name in one["objectRef"].values()
    ]
    assert written[-3:] == [
        *(("PolicyRemoved", name) for name in BOTH),
        ("ManagedLabelRemoved", namespace_name),
    ]
    eventually(lambda: catflap.spares(namespace_name))
    eventually(lambda: catflap.apply(pod("bare", namespace_name, {})).returncode == 0)


def test_a_namespace_that_is_exempt_no_longer_is_closed_again(catflap: Installation, namespace_name: str) -> None:
    """Its age decides, without a label."""
    catflap.configure({"namespaces": {"exempt": [namespace_name]}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: GUARD not in labels_of(catflap, namespace_name))
    catflap.configure()
    eventually(lambda: closed(catflap, namespace_name))
    eventually(lambda: labels_of(catflap, namespace_name).get(GUARD) == "enabled")


def test_engine_none_closes_nothing_and_auto_closes_again(
    catflap: Installation, engine: str, namespace_name: str
) -> None:
    """Rules still apply; the policy of a Pod's namespace is no longer checked."""
    other = f"{namespace_name}-other"
    catflap.apply(join_manifests(namespace(namespace_name), namespace(other)))
    eventually(lambda: closed(catflap, namespace_name, engine) and closed(catflap, other, engine))
    leave_alone(catflap, engine, other)
    catflap.configure({"network": {"engine": "none"}})
    eventually(lambda: stored_policies(catflap, engine, namespace_name), until=lambda seen: seen == [])
    eventually(lambda: stored_policies(catflap, engine, other), until=lambda seen: seen == sorted(NOT_QUITE_OURS))
    assert closure(catflap, namespace_name, "before") == "unguarded"
    assert catflap.apply(pod("faulty", namespace_name, {})).returncode == 1
    catflap.configure({"network": {"engine": "auto"}})
    chosen = "kubernetes" if catflap.cluster.call("GET", "/apis/projectcalico.org/v3").refused else "calico"
    eventually(lambda: closed(catflap, namespace_name, chosen))
    assert closure(catflap, namespace_name, "after") == "proven"


@pytest.fixture
def filled(tools: Tools, tmp_path: Path) -> Iterator[Installation]:
    """Return a separate cluster with all that catflap ever writes, of both engines, enforced and staged, and with foreign objects."""
    with running(tools) as cluster:
        cluster.install_calico()
        cluster.install_openreports()
        with installed(cluster, tmp_path) as catflap:
            catflap.apply(namespace("shop"))
            net = {
                "namespaces": {"includeExisting": "all"},
                "network": {"engine": "calico", "clusterWideDefaultDeny": True},
                "validatingAdmissionPolicy": True,
            }
            catflap.configure(net)
            eventually(lambda: twins(catflap), until=lambda seen: seen == [200, 200])
            eventually(lambda: closed(catflap, "shop", "calico") and closed(catflap, "default", "calico"))
            eventually(lambda: catflap.cluster.call("GET", f"{NETS}/catflap-standing-net").status == 200)
            eventually(lambda: labels_of(catflap, "default").get(GUARD) == "enabled")
            for engine in GROUPS:
                leave_alone(catflap, engine, "shop")
            scan(catflap, net)
            assert find_report(catflap, "shop").status == 200
            yield catflap


@pytest.fixture
def left(filled: Installation) -> Installation:
    """Return the same after its controller ended, with leftovers of the other engine and of staged policies."""
    stop(filled.controller.process)
    version = GROUPS["kubernetes"]
    deny = {"apiVersion": version, "kind": "NetworkPolicy", "spec": CLOSED[version]}
    staged = {"apiVersion": GROUPS["calico"], "kind": "StagedNetworkPolicy", "spec": CLOSED[GROUPS["calico"]]}
    staged_path = f"/apis/{GROUPS['calico']}/namespaces/shop/stagednetworkpolicies/{DENY}"
    for manifest, where in ((deny, path("kubernetes", "shop", DENY)), (staged, staged_path)):
        body = {**manifest, "metadata": {"name": DENY, "labels": OUR_LABEL}}
        filled.emergency("PATCH", f"{where}?fieldManager=catflap&force=true", body, content_type=APPLY)
    return filled


def uninstall(catflap: Installation, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run `catflap uninstall` with the rights of the chart's Job."""
    chart = ("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--show-only", "templates/uninstall.yaml")
    values = ("--values", str(catflap.folder / "values.yaml"))
    rendered = yaml.safe_load_all(catflap.cluster.helm(*chart, *values).stdout)
    catflap.apply(join_manifests(*(one for one in rendered if one and one["kind"] != "Job")), check=True)
    token = catflap.cluster.kubeconfig_for_service_account(NAMESPACE, "catflap-uninstall")
    argv = [sys.executable, "-m", "webhook", "uninstall", "--yes", "--kubeconfig", str(token), *options]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=90)


def test_uninstall_leaves_a_cluster_as_it_was(left: Installation) -> None:
    """The server still answers, so catflap must not reject its own removal; each object is reported, the webhooks first."""
    spaces = ("default", "shop")
    foretold = uninstall(left, "--dry-run")
    done = uninstall(left)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        "ValidatingWebhookConfiguration catflap removed",
        "MutatingWebhookConfiguration catflap removed",
        "ValidatingAdmissionPolicyBinding catflap-labels removed",
        "ValidatingAdmissionPolicy catflap-labels removed",
    ]
    assert foretold.stdout.splitlines() == [f"{line} (dry run)" for line in lines]
    assert twins(left) == [404, 404]
    policies = [
        *(f"NetworkPolicy.projectcalico.org {space}/{name} removed" for space in spaces for name in BOTH),
        f"NetworkPolicy.networking.k8s.io shop/{DENY} removed",
        f"StagedNetworkPolicy.projectcalico.org shop/{DENY} removed",
        "GlobalNetworkPolicy.projectcalico.org catflap-standing-net removed",
        "Report shop/catflap removed",
        "ConfigMap catflap-system/catflap-registration removed",
        "Secret catflap-system/catflap-webhook-path removed",
    ]
    assert lines[-1].startswith("Secret ")
    assert sorted(lines[4:]) == sorted([*policies, *(f"label removed from Namespace {space}" for space in spaces)])
    closing = [number for number, line in enumerate(lines) if DENY in line]
    assert closing == list(range(closing[0], closing[0] + len(closing)))
    assert closing[-1] < min(number for number, line in enumerate(lines) if "label removed" in line)
    for engine in GROUPS:
        assert stored_policies(left, engine, "shop") == sorted(NOT_QUITE_OURS)
    for space in (NAMESPACE, "kube-system"):
        assert left.cluster.call("GET", f"{NAMESPACES}/{space}/configmaps/catflap-epoch").status == 200
    again = uninstall(left)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
