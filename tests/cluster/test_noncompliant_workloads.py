"""Tests enforce mode with older workloads: drain, eviction, scale and restart work, and each Pod is recorded."""

from collections.abc import Iterator

import pytest

from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import deployment
from tests.cluster.noncompliant_workloads import (
    DEPLOYMENTS,
    LEGACY,
    NODE,
    PODS,
    bind_pods,
    cluster_with_violations,
    excepted_decisions,
    pods,
    wait_for_new_pods,
)
from tests.controlplane.client import MERGE
from tests.controlplane.tools import Tools

COUNT = 20


@pytest.fixture(scope="module")
def old(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Return this many Deployments that violate every label rule."""
    with cluster_with_violations(tools, tmp_path_factory.mktemp("violated"), COUNT) as made:
        yield made


def uids(catflap: Installation) -> set[str]:
    """Return the existing Pods."""
    return {one["metadata"]["uid"] for one in pods(catflap.cluster)}


def test_a_node_is_drained(old: Installation) -> None:
    """Kubectl evicts each Pod, and all of them are created again."""
    bind_pods(old)
    before, on_record = uids(old), len(excepted_decisions(old))
    done = old.cluster.kubectl("drain", NODE, "--force", "--grace-period=0", "--timeout=60s", check=False)
    assert done.returncode == 0, done.stderr
    wait_for_new_pods(old, before, len(before))
    reasons = [one["reasonCode"] for one in excepted_decisions(old)[on_record:]]
    assert len(reasons) >= len(before)
    assert set(reasons) == {"OlderOwner"}
    assert all(
        {one["rule"] for one in record["audited"]} == {"require-app", "require-role"}
        for record in excepted_decisions(old)
    )


def test_a_pod_is_evicted(old: Installation) -> None:
    """KY#9044: the eviction API is used."""
    before = uids(old)
    name = pods(old.cluster)[0]["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": LEGACY},
        "deleteOptions": {"gracePeriodSeconds": 0},
    }
    old.cluster.api("POST", f"{PODS}/{name}/eviction", eviction)
    wait_for_new_pods(old, before, 1)


def test_a_deployment_is_scaled_up(old: Installation) -> None:
    """They scale down again; no other test may count on the Pods that end."""
    before = uids(old)
    for replicas in ("3", "1"):
        done = old.cluster.kubectl(
            "--namespace", LEGACY, "scale", "deployment/old-0", f"--replicas={replicas}", check=False
        )
        assert done.returncode == 0, done.stderr
        if replicas == "3":
            wait_for_new_pods(old, before, 2)
    eventually(lambda: len(uids(old)), until=lambda count: count == len(before))


def test_a_deployment_is_restarted(old: Installation) -> None:
    """It edits only the template's restart annotation: new Pods come from a new ReplicaSet."""
    before = uids(old)
    done = old.cluster.kubectl("--namespace", LEGACY, "rollout", "restart", "deployment/old-1", check=False)
    assert done.returncode == 0, done.stderr
    wait_for_new_pods(old, before, 1)
    assert "OlderWorkload" in {one["reasonCode"] for one in excepted_decisions(old)}


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7}}}},
        {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "x", "other": "y"}}}}},
    ],
    ids=["the spec", "more than a restart"],
)
def test_an_edited_template_is_refused(old: Installation, change: dict[str, object]) -> None:
    """GK#1167: the rejection is there, with a message, and not in the Events of a ReplicaSet."""
    answer = old.cluster.call("PATCH", f"{DEPLOYMENTS}/old-2", change, content_type=MERGE)
    assert (answer.status, f"Deployment {LEGACY}/old-2 has 2 violations" in answer.body["message"]) == (403, True)


def test_a_new_template_is_refused(old: Installation) -> None:
    """It is in the same namespace as the old ones."""
    assert old.cluster.call("POST", DEPLOYMENTS, deployment("new", LEGACY, {})).status == 403


def test_a_restart_of_what_is_younger_is_refused(old: Installation) -> None:
    """Its Pods would be rejected without a visible message."""
    old.configure({"mode": "off"})
    eventually(lambda: not old.cluster.call("POST", DEPLOYMENTS, deployment("young", LEGACY, {})).refused)
    old.configure()
    done = old.cluster.kubectl("--namespace", LEGACY, "rollout", "restart", "deployment/young", check=False)
    assert f"Deployment {LEGACY}/young has 2 violations" in done.stderr
    old.cluster.api("DELETE", f"{DEPLOYMENTS}/young")  # its Pods do not return, so no other test may count on them
    eventually(lambda: not [one for one in pods(old.cluster) if one["metadata"]["name"].startswith("young-")])


def test_a_forged_owner_makes_nothing_older(old: Installation) -> None:
    """Users create Deployments directly: an old owner that a user names in a new one does not count."""
    old.configure({"mode": "off"})
    eventually(lambda: not old.cluster.call("POST", DEPLOYMENTS, deployment("forger", LEGACY, {})).refused)
    old.configure()
    uid = old.cluster.api("GET", f"{DEPLOYMENTS}/old-3")["metadata"]["uid"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "old-3", "uid": uid, "controller": True}
    path = f"{DEPLOYMENTS}/forger"
    old.cluster.api("PATCH", path, {"metadata": {"ownerReferences": [owner]}}, content_type=MERGE)
    done = old.cluster.kubectl("--namespace", LEGACY, "rollout", "restart", "deployment/forger", check=False)
    assert f"Deployment {LEGACY}/forger has 2 violations" in done.stderr
    old.cluster.api("DELETE", path)
    eventually(lambda: not [one for one in pods(old.cluster) if one["metadata"]["name"].startswith("forger-")])
