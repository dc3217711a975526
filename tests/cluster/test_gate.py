"""Tests the gate without a controller: no Pod is stored in a managed namespace before its default-deny policy."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cluster.installation import NAMESPACE, Installation, eventually, names, run_controller
from tests.cluster.manifests import GOOD, namespace, pod
from tests.controlplane.client import APPLY
from tests.programs import stop

PLAIN = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
CALICO = "/apis/projectcalico.org/v3/namespaces/{}/networkpolicies"
DENY = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
SPACES = 20


@pytest.fixture
def alone(catflap: Installation) -> Iterator[Installation]:
    """Run the server without its controller."""
    stop(catflap.controller.process)
    try:
        yield catflap
    finally:
        catflap.controller = catflap.revived.enter_context(run_controller(catflap.cluster, catflap.folder))


def space_with_account(catflap: Installation, name: str) -> None:
    """Return a namespace with its own ServiceAccount, so that no Pod is delayed."""
    catflap.cluster.api("POST", "/api/v1/namespaces", namespace(name))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "own"}}
    catflap.cluster.api("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account)


def make_pod(catflap: Installation, space: str, name: str = "first", *, query: str = "") -> Any:
    """Create a good Pod under the namespace's account; return the answer."""
    body = pod(name, space, GOOD)
    body["spec"] = {**body["spec"], "serviceAccountName": "own", "automountServiceAccountToken": False}
    return catflap.cluster.call("POST", f"/api/v1/namespaces/{space}/pods{query}", body)


def deny(catflap: Installation, space: str, path: str = PLAIN) -> Any:
    """Return the default-deny policy of a namespace."""
    return catflap.cluster.call("GET", f"{path.format(space)}/catflap-default-deny")


def race(catflap: Installation, space: str) -> int:
    """Return how much later the first Pod was stored than the policy, in resource versions; negative is a lost race."""
    space_with_account(catflap, space)
    answer = make_pod(catflap, space)
    assert answer.status == 201, answer.body
    policy = deny(catflap, space).body
    return int(answer.body["metadata"]["resourceVersion"]) - int(policy["metadata"]["resourceVersion"])


def test_no_pod_is_older_than_its_policy(alone: Installation, namespace_name: str) -> None:
    """KY#1569: namespaces and their first Pods, eight at a time, without another writer of the policy."""
    with ThreadPoolExecutor(8) as pool:
        leads = list(pool.map(lambda number: race(alone, f"{namespace_name}-{number}"), range(SPACES)))
    assert min(leads) > 0


def test_many_first_pods_at_once_make_one_policy(alone: Installation, namespace_name: str) -> None:
    """All are admitted, each after a verification; the API server counts few reads and one write."""
    space_with_account(alone, namespace_name)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: make_pod(alone, namespace_name, f"p{number}"), range(16)))
    assert {answer.status for answer in answers} == {201}
    account = f"system:serviceaccount:{NAMESPACE}:catflap"
    verbs = [
        event["verb"]
        for event in alone.cluster.audit_events()
        if event["user"]["username"] == account and event.get("objectRef", {}).get("namespace") == namespace_name
    ]
    assert verbs.count("patch") + verbs.count("create") + verbs.count("update") == 1


def test_a_policy_that_went_is_back_before_the_next_pod(alone: Installation, namespace_name: str) -> None:
    """An authorised user deletes it between two Pods; it is reported as a repair."""
    race(alone, namespace_name)
    alone.emergency("DELETE", f"{PLAIN.format(namespace_name)}/catflap-default-deny")
    answer = make_pod(alone, namespace_name, "second")
    stored = deny(alone, namespace_name).body
    assert int(stored["metadata"]["resourceVersion"]) < int(answer.body["metadata"]["resourceVersion"])
    records = [one for one in alone.server.records() if one["type"] == "write"]
    assert records[-1]["reasonCode"] == "PolicyRestored"
    where = f"/apis/events.k8s.io/v1/namespaces/{namespace_name}/events"
    [event] = eventually(lambda: of_reason(alone.cluster.api("GET", where), "PolicyRestored"))
    assert event["note"] == "NetworkPolicy catflap-default-deny was deleted, and catflap created it again"


def of_reason(answer: Any, reason: str) -> list[Any]:
    """Return the Events of a list with this reason."""
    return [one for one in answer["items"] if one["reason"] == reason]


def test_the_first_policy_of_a_namespace_is_no_repair(alone: Installation, namespace_name: str) -> None:
    """No user removed it."""
    race(alone, namespace_name)
    records = [one for one in alone.server.records() if one["type"] == "write"]
    assert records[-1]["reasonCode"] == "PolicyCreated"


def test_what_others_add_to_the_spec_is_taken_out(alone: Installation, namespace_name: str) -> None:
    """Server-side apply by another manager leaves an `ingress` that another apply would keep."""
    race(alone, namespace_name)
    before = deny(alone, namespace_name).body
    opened = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "catflap-default-deny"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }
    path = f"{PLAIN.format(namespace_name)}/catflap-default-deny?fieldManager=other&force=true"
    alone.emergency("PATCH", path, opened, content_type=APPLY)
    assert make_pod(alone, namespace_name, "second").status == 201
    after = deny(alone, namespace_name).body
    assert after["spec"] == DENY
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_a_forged_policy_with_catflaps_name_proves_nothing(alone: Installation, namespace_name: str) -> None:
    """It has catflap's name, labels and a digest, and a spec that selects no Pod."""
    space_with_account(alone, namespace_name)
    forged = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": "catflap-default-deny",
            "labels": {"app.kubernetes.io/managed-by": "catflap", "mine": "kept"},
            "annotations": {"catflap.dev/policy-digest": "597718279e1a869b"},
        },
        "spec": {"podSelector": {"matchLabels": {"no": "pod"}}, "policyTypes": ["Ingress"]},
    }
    alone.emergency("POST", PLAIN.format(namespace_name), forged)
    assert make_pod(alone, namespace_name).status == 201
    after = deny(alone, namespace_name).body
    assert after["spec"] == DENY
    assert after["metadata"]["labels"]["mine"] == "kept"


def test_a_dry_run_looks_and_does_not_write(alone: Installation, namespace_name: str) -> None:
    """KY PR#15143: it is admitted, as the real request would be, and the record says what was not done."""
    space_with_account(alone, namespace_name)
    assert make_pod(alone, namespace_name, query="?dryRun=All").status == 201
    assert deny(alone, namespace_name).status == 404
    record = alone.server.records()[-1]
    assert (record["dryRun"], record["closure"]) == (True, "unwritten")


def test_what_cannot_be_proven_is_refused_for_now(alone: Installation, namespace_name: str) -> None:
    """Without the right to write, the Pod waits. A controller would retry, and a user is asked to."""
    space_with_account(alone, namespace_name)
    path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/catflap-server"
    path = next(
        f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"
        for name in names(alone.cluster.api("GET", path.rpartition("/")[0]))
        if name.startswith("catflap") and "controller" not in name
    )
    kept = alone.cluster.api("GET", path)["rules"]
    without = [rule for rule in kept if "networkpolicies" not in rule["resources"]]
    merge = "application/merge-patch+json"
    alone.cluster.api("PATCH", path, {"rules": without}, content_type=merge)
    try:
        answer = eventually(
            lambda: make_pod(alone, namespace_name, query="?dryRun=All"), until=lambda seen: seen.status != 201
        )
        assert answer.status == 503
        assert answer.body["details"]["retryAfterSeconds"] == 1
        # If reviews have no authentication, only the log has the reason.
        assert (f"cannot verify the isolation of namespace {namespace_name}") in answer.body[
            "message"
        ] + alone.server.log()
    finally:
        alone.cluster.api("PATCH", path, {"rules": kept}, content_type=merge)
    eventually(lambda: make_pod(alone, namespace_name).status == 201)


def test_an_older_namespace_is_not_closed_by_a_pod(alone: Installation, older: str) -> None:
    """It is read live, and not changed."""
    body = pod("guest", older, GOOD)
    assert alone.cluster.call("POST", f"/api/v1/namespaces/{older}/pods", body).status == 201
    assert deny(alone, older).status == 404
    assert alone.server.records()[-1]["closure"] == "unguarded"


def test_a_recreated_namespace_is_managed(alone: Installation, older: str) -> None:
    """The cached state of the old namespace does not count."""
    alone.cluster.kubectl("delete", "namespace", older, "--timeout=60s")
    assert race(alone, older) > 0


def test_calico_listed_but_unavailable_falls_back_to_the_floor(alone: Installation, namespace_name: str) -> None:
    """calico#6412: Calico's own API server may wait for this very Pod, and Calico enforces the plain policy as well."""
    alone.cluster.remove_calico()
    absent = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v3.projectcalico.org"},
        "spec": {
            "group": "projectcalico.org",
            "version": "v3",
            "groupPriorityMinimum": 1000,
            "versionPriority": 1,
            "insecureSkipTLSVerify": True,
            "service": {"namespace": "kube-system", "name": "calico-api", "port": 443},
        },
    }
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    alone.cluster.api("POST", path, absent)
    try:
        eventually(lambda: alone.cluster.call("GET", "/apis/projectcalico.org/v3").status == 503)
        alone.write_policy("apiVersion: catflap.dev/v1\nkind: GuardPolicy\nnetwork: {engine: calico}\n")
        eventually(lambda: "Engine.CALICO" in alone.server.log().rpartition("cluster info: ")[2])
        space_with_account(alone, namespace_name)
        assert make_pod(alone, namespace_name).status == 201
        assert deny(alone, namespace_name).body["spec"] == DENY
    finally:
        alone.cluster.api("DELETE", f"{path}/v3.projectcalico.org")


def test_calicos_own_policy_is_the_proof_where_calico_is(alone: Installation, namespace_name: str) -> None:
    """No plain policy is written in addition."""
    alone.cluster.install_calico()
    alone.write_policy("apiVersion: catflap.dev/v1\nkind: GuardPolicy\nnetwork: {engine: calico}\n")
    eventually(lambda: "Engine.CALICO" in alone.server.log().rpartition("cluster info: ")[2])
    space_with_account(alone, namespace_name)
    answer = make_pod(alone, namespace_name)
    assert answer.status == 201, answer.body["message"]
    assert deny(alone, namespace_name, CALICO).body["spec"] == {
        "tier": "default",
        "selector": "all()",
        "types": ["Ingress", "Egress"],
    }
    assert deny(alone, namespace_name).status == 404
