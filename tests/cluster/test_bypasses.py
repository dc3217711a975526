"""Ways around that other admission webhooks left open, each tried on the real API server.

More of them stand with what they are about: relabelling in test_update and test_modes, labels of namespaces in
test_labelling, kinds in test_apply and test_crd_kinds, forged owners in test_update, forged policies in test_gate.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.installation import NAMESPACE, Installation, eventually, names
from tests.cluster.manifests import CONTAINERS, GOOD, deployment, namespace, pod
from tests.controlplane.client import APPLY, MERGE

PODS = "/api/v1/namespaces/{}/pods"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
BARE: Mapping[str, str] = {}
BAD_ROLE = {"metadata": {"labels": {"role": "data"}}}


@pytest.fixture
def space(catflap: Installation, namespace_name: str) -> str:
    """A namespace with one good Pod, `web`."""
    catflap.apply(namespace(namespace_name))
    catflap.apply(pod("web", namespace_name, GOOD), check=True)
    return namespace_name


def test_server_side_apply_is_a_creation(catflap: Installation, space: str) -> None:
    """It comes as a PATCH, and is judged as what it does."""
    path = f"{PODS.format(space)}/other?fieldManager=ann"
    answer = catflap.cluster.call("PATCH", path, pod("other", space, BARE), content_type=APPLY)
    assert (answer.status, "require-role" in answer.body["message"]) == (403, True)


def test_server_side_apply_does_not_relabel(catflap: Installation, space: str) -> None:
    """Forced over whoever set the label first."""
    path = f"{PODS.format(space)}/web?fieldManager=ann&force=true"
    change = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"role": "data"}}}
    answer = catflap.cluster.call("PATCH", path, change, content_type=APPLY)
    assert (answer.status, "keep-role" in answer.body["message"]) == (403, True)


def test_a_json_patch_does_not_relabel(catflap: Installation, space: str) -> None:
    """Nor takes the label away."""
    for change in (
        {"op": "replace", "path": "/metadata/labels/role", "value": "data"},
        {"op": "remove", "path": "/metadata/labels/role"},
    ):
        done = catflap.cluster.kubectl(
            "--namespace", space, "patch", "pod", "web", "--type=json", "-p", json.dumps([change]), check=False
        )
        assert "keep-role" in done.stderr


def test_a_pod_that_goes_is_judged_all_the_same(catflap: Installation, space: str) -> None:
    """CVE-2023-34091: a finalizer keeps it running, and what has a deletionTimestamp was looked at no more."""
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
    """CVE-2023-2727: the API server resets the metadata there, so nobody has to be asked; `kubectl debug` goes on."""
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
    """Which namespaces are left out hangs on it: the API server sets it over whatever is sent."""
    forged = namespace(namespace_name, **{"kubernetes.io/metadata.name": "kube-system"})
    catflap.apply(forged)
    assert catflap.apply(pod("web", namespace_name, BARE)).returncode
    path = f"/api/v1/namespaces/{namespace_name}"
    change = {"metadata": {"labels": {"kubernetes.io/metadata.name": "kube-system"}}}
    catflap.cluster.call("PATCH", path, change, content_type=MERGE)
    assert catflap.apply(pod("web", namespace_name, BARE)).returncode


@pytest.mark.parametrize("labels", [{"Role": "data"}, {"role": "Data"}, {"role": "data "}, {"role": ""}])
def test_labels_are_compared_letter_by_letter(catflap: Installation, space: str, labels: dict[str, str]) -> None:
    """By us, or where Kubernetes' own grammar forbids the value, by the API server."""
    answer = catflap.cluster.call("POST", PODS.format(space), pod("other", space, {"app": "web", **labels}))
    assert answer.status in {403, 422}


def test_a_list_is_judged_one_by_one(catflap: Installation, space: str) -> None:
    """Kubectl takes it apart: the good one is made, the bad one is refused."""
    both = {"apiVersion": "v1", "kind": "List", "items": [pod("good", space, GOOD), pod("bad", space, BARE)]}
    done = catflap.apply(both)
    assert done.returncode
    found = names(catflap.cluster.api("GET", PODS.format(space)))
    assert ("good" in found, "bad" in found) == (True, False)


def test_a_policy_file_elsewhere_frees_nobody(catflap: Installation, space: str) -> None:
    """GHSA-qjvc-p88j-j9rm: exceptions from any namespace; ours are read from one ConfigMap of one namespace."""
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
    """GHSA-gg4x-fgg2-h9w9: each is from its own rule, in its own namespace."""
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
    """A mirror Pod, as a kubelet writes one, without the labels that rules ask for."""
    annotations = {
        "kubernetes.io/config.mirror": "a",
        "kubernetes.io/config.hash": "a",
        "kubernetes.io/config.source": "file",
    }
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "a", "controller": True}
    found = pod("static-node-1", space, BARE, annotations=annotations, ownerReferences=[owner])
    return {**found, "spec": {"nodeName": "node-1", "containers": CONTAINERS}}


def test_a_mirror_pod_passes_by_its_kubelet_alone(catflap: Installation, space: str) -> None:
    """It runs whatever the answer; a person who writes such an annotation is judged like anybody."""
    path = PODS.format(space)
    assert catflap.cluster.call("POST", path, mirror(space)).status == 403
    groups = ["system:nodes", "system:masters"]
    answer = catflap.cluster.call("POST", path, mirror(space), as_user="system:node:node-1", as_groups=groups)
    assert answer.status == 201, answer.body
    record = [one for one in catflap.server.records() if one.get("objectRef", {}).get("namespace") == space][-1]
    assert (record["decision"], record["reason"].partition(":")[0]) == ("exempt", "mirror Pod")


@contextmanager
def blind(catflap: Installation) -> Iterator[None]:
    """The server without the right to look at namespaces."""
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
    """CVE-2025-46342, GHSA-jrr2-x33p-6hvc: a failed lookup of a namespace skipped the rule; here nothing passes by it."""
    catflap.configure({"namespaces": {"overrides": [{"labels": {"tier": "gold"}, "mode": "audit"}]}})
    body = deployment("other", space, BARE)
    path = f"/apis/apps/v1/namespaces/{space}/deployments?dryRun=All"
    with blind(catflap):
        answer = eventually(
            lambda: catflap.cluster.call("POST", path, body), until=lambda seen: seen.status == 503 or not seen.refused
        )
        assert (answer.status, f"namespace {space} cannot be looked at" in answer.body["message"]) == (
            503,
            True,
        )
    eventually(lambda: catflap.cluster.call("POST", path, body), until=lambda seen: seen.status == 403)


def test_our_own_namespace_and_what_runs_there_wait_for_nobody(catflap: Installation) -> None:
    """KY#16177: our Pods are made while none of ours answers."""
    answer = catflap.cluster.call("POST", f"{PODS.format(NAMESPACE)}?dryRun=All", pod("own", NAMESPACE, BARE))
    assert answer.status == 201


@pytest.mark.parametrize(("labels", "rule"), [({"role": "data"}, "require-app"), ({"app": "web"}, "require-role")])
def test_a_refusal_names_the_rule_that_refused_and_no_other(
    catflap: Installation, space: str, labels: dict[str, str], rule: str
) -> None:
    """KY#17180: in the message, in our record and in the API server's own log."""
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
