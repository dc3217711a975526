"""Tries bypasses of other admission webhooks on the real API server.

Others are in the tests of their subject: relabelling in test_update and test_modes, labels of namespaces in
test_namespace_labels, kinds in test_apply and test_crd_kinds, forged owners in test_update, forged policies in
test_gate.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.installation import NAMESPACE, Installation, eventually, names, run_controller
from tests.cluster.manifests import CONTAINERS, GOOD, deployment, namespace, pod
from tests.cluster.policies import is_isolated
from tests.controlplane.client import APPLY, MERGE
from tests.programs import stop

PODS = "/api/v1/namespaces/{}/pods"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
BARE: Mapping[str, str] = {}
BAD_ROLE = {"metadata": {"labels": {"role": "data"}}}


def test_server_side_apply_is_a_creation(catflap: Installation, space: str) -> None:
    """The request is a PATCH, and is judged by its result."""
    path = f"{PODS.format(space)}/other?fieldManager=ann"
    answer = catflap.cluster.call("PATCH", path, pod("other", space, BARE), content_type=APPLY)
    assert (answer.status, "require-role" in answer.body["message"]) == (403, True)


def test_server_side_apply_does_not_relabel(catflap: Installation, space: str) -> None:
    """It is forced over the manager that set the label first."""
    path = f"{PODS.format(space)}/web?fieldManager=ann&force=true"
    change = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"role": "data"}}}
    answer = catflap.cluster.call("PATCH", path, change, content_type=APPLY)
    assert (answer.status, "keep-role" in answer.body["message"]) == (403, True)


def test_a_json_patch_does_not_relabel(catflap: Installation, space: str) -> None:
    """It does not remove the label, either."""
    for change in (
        {"op": "replace", "path": "/metadata/labels/role", "value": "data"},
        {"op": "remove", "path": "/metadata/labels/role"},
    ):
        done = catflap.cluster.kubectl(
            "--namespace", space, "patch", "pod", "web", "--type=json", "-p", json.dumps([change]), check=False
        )
        assert "keep-role" in done.stderr


def test_a_pod_that_goes_is_judged_all_the_same(catflap: Installation, space: str) -> None:
    """CVE-2023-34091: a finalizer keeps the object, and objects with a deletionTimestamp were no longer checked."""
    path = f"{PODS.format(space)}/web"
    finalizers = {"metadata": {"finalizers": ["example.com/hold"]}}
    catflap.cluster.api("PATCH", path, finalizers, content_type=MERGE)
    catflap.cluster.api("DELETE", f"{path}?gracePeriodSeconds=0")
    assert "deletionTimestamp" in catflap.cluster.api("GET", path)["metadata"]
    assert catflap.cluster.call("PATCH", path, BAD_ROLE, content_type=MERGE).status == 403
    catflap.cluster.api("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
    eventually(lambda: catflap.cluster.call("GET", path).status == 404)


@pytest.mark.parametrize("way", ["ephemeralcontainers", "resize"])
def test_other_ways_into_a_pod_bring_no_labels(catflap: Installation, space: str, way: str) -> None:
    """CVE-2023-2727: the API server resets the metadata there, so no review is needed, and `kubectl debug` works."""
    path = f"{PODS.format(space)}/web"
    body = catflap.cluster.api("GET", path)
    body["metadata"]["labels"] = {"app": "web", "role": "data"}
    if way == "ephemeralcontainers":
        debugger = {"name": "debug", "image": "registry.example/debug:1", "targetContainerName": "main"}
        body["spec"]["ephemeralContainers"] = [debugger]
    answer = catflap.cluster.call("PUT", f"{path}/{way}", body)
    assert answer.status in {200, 422}, answer.body
    assert catflap.cluster.api("GET", path)["metadata"]["labels"] == GOOD


def test_the_name_label_of_a_namespace_cannot_be_forged(catflap: Installation, namespace_name: str) -> None:
    """The exclusion of namespaces depends on this label. The API server sets it, whatever the request contains."""
    forged = namespace(namespace_name, **{"kubernetes.io/metadata.name": "kube-system"})
    catflap.apply(forged)
    assert catflap.apply(pod("web", namespace_name, BARE)).returncode
    path = f"/api/v1/namespaces/{namespace_name}"
    change = {"metadata": {"labels": {"kubernetes.io/metadata.name": "kube-system"}}}
    catflap.cluster.call("PATCH", path, change, content_type=MERGE)
    assert catflap.apply(pod("web", namespace_name, BARE)).returncode


@pytest.mark.parametrize("labels", [{"Role": "data"}, {"role": "Data"}, {"role": "data "}, {"role": ""}])
def test_labels_are_compared_letter_by_letter(catflap: Installation, space: str, labels: dict[str, str]) -> None:
    """Catflap rejects it, or the API server does if Kubernetes' grammar forbids the value."""
    answer = catflap.cluster.call("POST", PODS.format(space), pod("other", space, {"app": "web", **labels}))
    assert answer.status in {403, 422}


def test_a_list_is_judged_one_by_one(catflap: Installation, space: str) -> None:
    """Kubectl splits the list: the good object is created, the bad one is rejected."""
    both = {"apiVersion": "v1", "kind": "List", "items": [pod("good", space, GOOD), pod("bad", space, BARE)]}
    done = catflap.apply(both)
    assert done.returncode
    found = names(catflap.cluster.api("GET", PODS.format(space)))
    assert ("good" in found, "bad" in found) == (True, False)


def test_a_policy_file_elsewhere_exempts_no_user(catflap: Installation, space: str) -> None:
    """GHSA-qjvc-p88j-j9rm: exceptions from any namespace; catflap reads them from one ConfigMap in one namespace."""
    text = "apiVersion: catflap.dev/v1\nkind: GuardPolicy\nmode: audit\n"
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "catflap-policy"},
        "data": {"policy.yaml": text},
    }
    catflap.cluster.api("POST", f"/api/v1/namespaces/{space}/configmaps", body)
    assert catflap.apply(pod("other", space, BARE)).returncode


def test_two_exceptions_do_not_add_up_to_a_third(catflap: Installation, space: str) -> None:
    """GHSA-gg4x-fgg2-h9w9: each exception covers its own rule, in its own namespace."""
    common = {"owner": "team", "reason": "test", "until": "2099-01-01"}
    exceptions = [
        {**common, "rule": "require-app", "namespace": space},
        {**common, "rule": "require-role", "namespace": "elsewhere"},
    ]
    catflap.configure({"exceptions": exceptions})
    done = catflap.apply(pod("other", space, BARE))
    assert done.returncode
    assert "require-role" in done.stderr
    assert "require-app" not in done.stderr


def mirror(space: str) -> dict[str, Any]:
    """Return a mirror Pod, as a kubelet creates it, without the required labels."""
    annotations = {
        "kubernetes.io/config.mirror": "a",
        "kubernetes.io/config.hash": "a",
        "kubernetes.io/config.source": "file",
    }
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "a", "controller": True}
    found = pod("static-node-1", space, BARE, annotations=annotations, ownerReferences=[owner])
    return {**found, "spec": {"nodeName": "node-1", "containers": CONTAINERS}}


def test_a_mirror_pod_passes_by_its_kubelet_alone(catflap: Installation, space: str) -> None:
    """It runs whatever the answer is. A user who sets that annotation is judged as any other."""
    path = PODS.format(space)
    assert catflap.cluster.call("POST", path, mirror(space)).status == 403
    groups = ["system:nodes", "system:masters"]
    answer = catflap.cluster.call("POST", path, mirror(space), as_user="system:node:node-1", as_groups=groups)
    assert answer.status == 201, answer.body
    record = [one for one in catflap.server.records() if one.get("objectRef", {}).get("namespace") == space][-1]
    assert (record["decision"], record["reasonCode"]) == ("exempt", "MirrorPod")


@contextmanager
def blind(catflap: Installation) -> Iterator[None]:
    """Run the server without the right to read namespaces."""
    [name] = [
        one["metadata"]["name"]
        for one in catflap.cluster.api("GET", ROLES)["items"]
        if one["metadata"]["name"].startswith("catflap") and "controller" not in one["metadata"]["name"]
    ]
    rules = catflap.cluster.api("GET", f"{ROLES}/{name}")["rules"]
    without = [rule for rule in rules if "namespaces" not in rule["resources"]]
    catflap.cluster.api("PATCH", f"{ROLES}/{name}", {"rules": without}, content_type=MERGE)
    try:
        yield
    finally:
        catflap.cluster.api("PATCH", f"{ROLES}/{name}", {"rules": rules}, content_type=MERGE)


def test_labels_that_cannot_be_read_refuse(catflap: Installation, space: str) -> None:
    """CVE-2025-46342, GHSA-jrr2-x33p-6hvc: a failed lookup of a namespace skipped the rule. Here it does not."""
    catflap.configure({"namespaces": {"overrides": [{"labels": {"tier": "gold"}, "mode": "audit"}]}})
    body = deployment("other", space, BARE)
    path = f"/apis/apps/v1/namespaces/{space}/deployments?dryRun=All"
    with blind(catflap):
        answer = eventually(
            lambda: catflap.cluster.call("POST", path, body), until=lambda seen: seen.status == 503 or not seen.refused
        )
        assert (answer.status, f"cannot read namespace {space}" in answer.body["message"]) == (
            503,
            True,
        )
    eventually(lambda: catflap.cluster.call("POST", path, body), until=lambda seen: seen.status == 403)


def test_catflaps_own_namespace_and_pods_are_not_reviewed(catflap: Installation) -> None:
    """KY#16177: catflap's Pods are created while no server answers."""
    answer = catflap.cluster.call("POST", f"{PODS.format(NAMESPACE)}?dryRun=All", pod("own", NAMESPACE, BARE))
    assert answer.status == 201


@pytest.mark.parametrize(("labels", "rule"), [({"role": "data"}, "require-app"), ({"app": "web"}, "require-role")])
def test_a_refusal_names_the_rule_that_refused_and_no_other(
    catflap: Installation, space: str, labels: dict[str, str], rule: str
) -> None:
    """KY#17180: the details are in the message, in catflap's record and in the API server's log."""
    begin = catflap.cluster.audit_size()
    answer = catflap.cluster.call("POST", PODS.format(space), pod("other", space, labels))
    assert [cause["message"].partition(":")[0] for cause in answer.body["details"]["causes"]] == [rule]
    record = [one for one in catflap.server.records() if one.get("objectRef", {}).get("namespace") == space][-1]
    assert [one["rule"] for one in record["denied"]] == [rule]
    told = eventually(
        lambda: [
            event["annotations"].get("pods.catflap.dev/violated-rules")
            for event in catflap.cluster.audit_events(after=begin)
            if event.get("objectRef", {}).get("namespace") == space and event["verb"] == "create"
        ]
    )
    assert rule in told


CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"
MASTERS = ["system:masters"]  # RBAC requires it


def owned(space: str, owner: tuple[str, str, str], labels: Mapping[str, str] = BARE) -> dict[str, Any]:
    """Return a Pod that names an owner by kind, name and uid."""
    kind, name, uid = owner
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}
    return pod(f"made-{uuid.uuid4().hex[:8]}", space, labels, ownerReferences=[reference])


def made(catflap: Installation, space: str, manifest: dict[str, Any], *, by: str = CONTROLLER) -> Any:
    """Return the answer to a user who creates a Pod."""
    return catflap.cluster.call("POST", PODS.format(space), manifest, as_user=by, as_groups=MASTERS)


@pytest.fixture
def old_uid(catflap: Installation, older: str) -> str:
    """Return the uid of a Deployment without labels that is older than catflap."""
    found = catflap.cluster.api("GET", f"/apis/apps/v1/namespaces/{older}/deployments/old")
    return str(found["metadata"]["uid"])


@pytest.mark.parametrize(
    "name",
    [
        "../../{older}/deployments/old",
        "../../../../../apis/apps/v1/namespaces/{older}/deployments/old",
        "..%2f..%2f{older}%2fdeployments%2fold",
        "%2e%2e/%2e%2e/{older}/deployments/old",
        "x/../../../{older}/deployments/old",
        "old",
    ],
)
def test_an_owner_of_another_namespace_excuses_nothing(
    catflap: Installation, space: str, older: str, old_uid: str, name: str
) -> None:
    """The name does not matter, and the uid is correct."""
    manifest = owned(space, ("Deployment", name.format(older=older), old_uid))
    answer = made(catflap, space, manifest)
    assert (answer.status, "require-role" in answer.body["message"]) == (403, True)


def test_a_replica_set_with_a_forged_owner_excuses_nothing(
    catflap: Installation, space: str, older: str, old_uid: str
) -> None:
    """An editor patches its ownerReferences, and a controller then creates a Pod."""
    replica_set = {**deployment("forged", space, GOOD, replicas=0), "kind": "ReplicaSet"}
    path = f"/apis/apps/v1/namespaces/{space}/replicasets"
    uid = catflap.cluster.api("POST", path, replica_set)["metadata"]["uid"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"../../{older}/deployments/old", "uid": old_uid}
    patch = {"metadata": {"ownerReferences": [{**owner, "controller": True}]}}
    catflap.cluster.api("PATCH", f"{path}/forged", patch, content_type=MERGE)
    assert made(catflap, space, owned(space, ("ReplicaSet", "forged", uid))).status == 403


def test_an_old_owner_excuses_what_its_template_has(catflap: Installation, older: str, old_uid: str) -> None:
    """Only Kubernetes' own controllers count, and only for what the template contains."""
    plain = owned(older, ("Deployment", "old", old_uid))
    assert made(catflap, older, plain).status == 201
    claimed = {"pcns.kubernetes.io/metadata.name": "kube-system"}
    reserved = owned(older, ("Deployment", "old", old_uid), claimed)
    answer = made(catflap, older, reserved)
    assert (answer.status, "no-reserved-label" in answer.body["message"]) == (403, True)
    assert "require-role" not in answer.body["message"]
    for vendor in ("aws-load-balancer-controller", "snapshot-controller", "daemonset-controller"):
        account = f"system:serviceaccount:kube-system:{vendor}"
        assert made(catflap, older, owned(older, ("Deployment", "old", old_uid)), by=account).status == 403


def test_a_mirror_pod_isolates_its_namespace(catflap: Installation, namespace_name: str) -> None:
    """It happens before the Pod is stored, and no controller runs."""
    stop(catflap.controller.process)
    catflap.apply(namespace(namespace_name))
    groups = ["system:nodes", "system:masters"]
    answer = catflap.cluster.call(
        "POST", PODS.format(namespace_name), mirror(namespace_name), as_user="system:node:node-1", as_groups=groups
    )
    stands = is_isolated(catflap, namespace_name)
    catflap.controller = catflap.revived.enter_context(run_controller(catflap.cluster, catflap.folder))
    assert (answer.status, stands) == (201, True)
    record = next(
        one
        for one in reversed(catflap.server.records("decision"))
        if one["objectRef"].get("namespace") == namespace_name
    )
    assert (record["decision"], record["closure"]) == ("exempt", "written")
