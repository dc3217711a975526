"""Tests that existing objects keep working: only changes are judged."""

import subprocess
from typing import Any

import pytest

from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import GOOD, deployment, namespace, pod

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def legacy(catflap: Installation, namespace_name: str) -> str:
    """Return a namespace with a Deployment and a Pod that are older than the rules."""
    catflap.configure({"mode": "off"})
    catflap.apply(namespace(namespace_name))
    assert catflap.apply(deployment("old", namespace_name, {})).returncode == 0
    assert catflap.apply(pod("bare", namespace_name, {"app": "x"})).returncode == 0
    catflap.configure()
    return namespace_name


def kubectl(catflap: Installation, space: str, *arguments: str) -> Done:
    """Run kubectl in a namespace; return its result."""
    return catflap.cluster.kubectl("--namespace", space, *arguments, check=False)


HARMLESS = {
    "scale": ("scale", "deployment/old", "--replicas=0"),
    "label the object": ("label", "deployment/old", "team=x"),
    "annotate the object": ("annotate", "deployment/old", "note=x"),
    "add a finalizer": ("patch", "deployment/old", "-p", '{"metadata":{"finalizers":["example.com/hold"]}}'),
    "change what is no template": ("patch", "deployment/old", "-p", '{"spec":{"minReadySeconds":5}}'),
    "status": ("patch", "deployment/old", "--subresource=status", "-p", '{"status":{"observedGeneration":1}}'),
    "label a faulty Pod": ("label", "pod/bare", "team=x"),
    "annotate a faulty Pod": ("annotate", "pod/bare", "note=x"),
    "mend a faulty Pod": ("label", "pod/bare", "role=data"),
    "delete a faulty Pod": ("delete", "pod/bare", "--now"),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_what_does_no_harm_passes_on_a_faulty_object(catflap: Installation, legacy: str, what: str) -> None:
    """KY#8815, KY#9044: finalizers, status, scale and metadata are never rejected."""
    done = kubectl(catflap, legacy, *HARMLESS[what])
    assert done.returncode == 0, done.stderr


def test_a_finalizer_of_a_faulty_object_can_be_removed(catflap: Installation, legacy: str) -> None:
    """KY#8815: the job controller could not do that."""
    kubectl(catflap, legacy, *HARMLESS["add a finalizer"])
    kubectl(catflap, legacy, "delete", "deployment/old", "--wait=false")
    done = kubectl(catflap, legacy, "patch", "deployment/old", "-p", '{"metadata":{"finalizers":null}}')
    assert done.returncode == 0, done.stderr
    path = f"/apis/apps/v1/namespaces/{legacy}/deployments/old"
    eventually(lambda: catflap.cluster.call("GET", path).status == 404)


HARMFUL = {
    "a new image, the template still faulty": ("set", "image", "deployment/old", "main=registry.example/main:2"),
    "a restart, which edits the template": ("rollout", "restart", "deployment/old"),
}


@pytest.mark.parametrize("what", HARMFUL)
def test_a_changed_template_is_judged_as_a_new_one(catflap: Installation, legacy: str, what: str) -> None:
    """GK#1167: it is rejected here with a message, not in the Events of a ReplicaSet."""
    done = kubectl(catflap, legacy, *HARMFUL[what])
    assert done.returncode == 1
    assert f"Deployment {legacy}/old has 2 violations:" in done.stderr


@pytest.mark.parametrize("label", ["app", "role"])
def test_taking_a_label_away_is_refused(catflap: Installation, namespace_name: str, label: str) -> None:
    """The Pod has the label."""
    catflap.apply(namespace(namespace_name))
    assert catflap.apply(pod("web", namespace_name, GOOD)).returncode == 0
    done = kubectl(catflap, namespace_name, "label", "pod/web", f"{label}-")
    assert done.returncode == 1
    assert f"require-{label}: metadata.labels.{label}: the label '{label}' is missing" in done.stderr


def test_the_status_is_no_way_around(catflap: Installation, namespace_name: str) -> None:
    """`pods/status` can change labels; an update of the status itself is not reviewed."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(pod("web", namespace_name, GOOD))
    status = ("patch", "pod/web", "--subresource=status", "--type=merge", "-p")
    taken = kubectl(catflap, namespace_name, *status, '{"metadata":{"labels":{"app":null}}}')
    assert taken.returncode == 1
    assert "the label 'app' is missing" in taken.stderr
    assert kubectl(catflap, namespace_name, *status, '{"status":{"message":"x"}}').returncode == 0


def test_a_role_that_is_not_known_is_refused_on_a_running_pod(catflap: Installation, namespace_name: str) -> None:
    """Relabelling is no bypass."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(pod("web", namespace_name, GOOD))
    done = kubectl(catflap, namespace_name, "label", "pod/web", "role=admin", "--overwrite")
    assert done.returncode == 1
    assert "unknown role 'admin'" in done.stderr


def test_pods_of_an_owner_older_than_catflap_are_made_and_recorded(catflap: Installation, older: str) -> None:
    """These are a scale-up, and a replacement for a deleted Pod."""
    assert kubectl(catflap, older, "scale", "deployment/old", "--replicas=3").returncode == 0
    path = f"/api/v1/namespaces/{older}/pods"
    found = eventually(lambda: catflap.cluster.api("GET", path)["items"], until=lambda seen: len(seen) == 3)
    kubectl(catflap, older, "delete", "pod", found[0]["metadata"]["name"], "--now")
    eventually(lambda: len(catflap.cluster.api("GET", path)["items"]) == 3)
    records = [one for one in catflap.server.records() if one.get("objectRef", {}).get("namespace") == older]
    exempt = [one for one in records if one["decision"] == "exempt"]
    assert {one["reasonCode"] for one in exempt} == {"OlderOwner"}
    assert {fault["rule"] for one in exempt for fault in one["audited"]} == {"require-app", "require-role"}


def test_jobs_of_an_older_cronjob_are_made_through_both_steps(catflap: Installation, older: str) -> None:
    """CronJob, Job, Pod: the topmost owner counts, though the Job is new."""
    cronjob = catflap.cluster.api("GET", f"/apis/batch/v1/namespaces/{older}/cronjobs/old")
    assert cronjob["metadata"]["name"] == "old"
    kubectl(catflap, older, "patch", "cronjob/old", "-p", '{"spec":{"suspend":false,"schedule":"* * * * *"}}')
    job = owned_job(cronjob)
    controller = "system:serviceaccount:kube-system:cronjob-controller"
    answer = catflap.cluster.call(
        "POST", f"/apis/batch/v1/namespaces/{older}/jobs", job, as_user=controller, as_groups=["system:masters"]
    )
    assert answer.status == 201, answer.body
    path = f"/api/v1/namespaces/{older}/pods?labelSelector=job-name%3Dby-hand"
    assert eventually(lambda: catflap.cluster.api("GET", path)["items"])


def owned_job(cronjob: dict[str, Any]) -> dict[str, Any]:
    """Return a Job as the CronJob controller creates it."""
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "old", "uid": cronjob["metadata"]["uid"]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "by-hand", "ownerReferences": [{**owner, "controller": True}]},
        "spec": cronjob["spec"]["jobTemplate"]["spec"],
    }


def test_a_forged_owner_does_not_help_a_person(catflap: Installation, older: str) -> None:
    """Any user can set ownerReferences; only a controller's own request counts."""
    owner = catflap.cluster.api("GET", f"/apis/apps/v1/namespaces/{older}/deployments/old")
    reference = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "old",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    done = catflap.apply(pod("forged", older, {}, ownerReferences=[reference]))
    assert done.returncode == 1
    assert "has 2 violations" in done.stderr


def test_a_controller_cannot_be_sent_to_an_owner_that_is_not_there(catflap: Installation, older: str) -> None:
    """A reference whose uid matches no object proves nothing."""
    reference = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "old",
        "uid": "00000000-0000-0000-0000-000000000000",
        "controller": True,
    }
    answer = catflap.cluster.call(
        "POST",
        f"/api/v1/namespaces/{older}/pods",
        pod("forged", older, {}, ownerReferences=[reference]),
        as_user="system:serviceaccount:kube-system:replicaset-controller",
        as_groups=["system:masters"],
    )
    assert answer.status == 403


def test_existing_judge_ends_the_patience(catflap: Installation, older: str) -> None:
    """With `existingWorkloads: judge` the same scale-up yields no Pod."""
    catflap.configure({"workloads": {"existingWorkloads": "judge"}})
    count = len(catflap.cluster.api("GET", f"/api/v1/namespaces/{older}/pods")["items"])
    kubectl(catflap, older, "scale", "deployment/old", f"--replicas={count + 1}")
    eventually(
        lambda: [
            one
            for one in catflap.server.records()
            if one.get("decision") == "denied" and "replicaset-controller" in one["user"]["username"]
        ]
    )
    assert len(catflap.cluster.api("GET", f"/api/v1/namespaces/{older}/pods")["items"]) == count


@pytest.mark.parametrize("way", ["pods/{}/binding", "bindings"])
@pytest.mark.parametrize("label", ["role", "pcns.environment"])
def test_a_binding_brings_no_label_that_counts(
    catflap: Installation, namespace_name: str, way: str, label: str
) -> None:
    """Kubernetes copies a binding's labels to its Pod; a scheduler's binding with a node's topology is not reviewed."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(pod("web", namespace_name, GOOD), check=True)
    where = f"/api/v1/namespaces/{namespace_name}/{way.format('web')}"
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "web", "labels": {label: "data"}},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "somewhere"},
    }
    answer = catflap.cluster.call("POST", where, binding)
    assert (answer.status, (f"a binding cannot set the label {label!r} of its Pod") in answer.body["message"]) == (
        403,
        True,
    )
    binding["metadata"] = {"name": "web", "labels": {"topology.kubernetes.io/zone": "1"}}
    assert catflap.cluster.call("POST", where, binding).status == 201
    stored = catflap.cluster.api("GET", f"/api/v1/namespaces/{namespace_name}/pods/web")
    assert stored["metadata"]["labels"] == {**GOOD, "topology.kubernetes.io/zone": "1"}
    asked = [one for one in catflap.server.records() if one.get("objectRef", {}).get("namespace") == namespace_name]
    assert [
        one["decision"]
        for one in asked
        if one["objectRef"].get("subresource") == "binding" or one["objectRef"]["resource"] == "bindings"
    ] == ["denied"]
