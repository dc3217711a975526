"""Our own policies are written by us alone: even an administrator is told the way that is meant for it."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.installation import Installation, eventually, names
from tests.cluster.manifests import GOOD, deployment, namespace
from tests.controlplane.client import APPLY, MERGE, Answer

PLAIN = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
CALICO = "/apis/projectcalico.org/v3/namespaces/{}/networkpolicies"
BOTH = ["catflap-allow-dns", "catflap-default-deny"]
MANAGED = {"app.kubernetes.io/managed-by": "catflap"}

Touch = Callable[[Installation, str], Answer]


def plain(name: str, *, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A NetworkPolicy that opens everything."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }


@pytest.fixture
def closed(catflap: Installation, namespace_name: str) -> str:
    """A namespace with both policies."""
    catflap.apply(namespace(namespace_name))
    eventually(lambda: list(names(catflap.cluster.api("GET", PLAIN.format(namespace_name)))) == BOTH)
    return namespace_name


TOUCHES: dict[str, Touch] = {
    "delete": lambda catflap, space: catflap.cluster.call("DELETE", f"{PLAIN.format(space)}/catflap-default-deny"),
    "delete them all": lambda catflap, space: catflap.cluster.call("DELETE", PLAIN.format(space)),
    "edit the spec": lambda catflap, space: catflap.cluster.call(
        "PATCH",
        f"{PLAIN.format(space)}/catflap-default-deny",
        {"spec": {"ingress": [{}]}},
        content_type=MERGE,
    ),
    "take the label off": lambda catflap, space: catflap.cluster.call(
        "PATCH",
        f"{PLAIN.format(space)}/catflap-allow-dns",
        {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}},
        content_type=MERGE,
    ),
    "apply over it": lambda catflap, space: catflap.cluster.call(
        "PATCH",
        f"{PLAIN.format(space)}/catflap-default-deny?fieldManager=other&force=true",
        plain("catflap-default-deny"),
        content_type=APPLY,
    ),
    "make one under our name": lambda catflap, space: catflap.cluster.call(
        "POST", PLAIN.format(space), plain("catflap-role-frontend")
    ),
    "make one under our label": lambda catflap, space: catflap.cluster.call(
        "POST", PLAIN.format(space), plain("theirs", labels=MANAGED)
    ),
}


@pytest.mark.parametrize("what", TOUCHES)
def test_an_administrator_is_refused_with_the_way_to_go(catflap: Installation, closed: str, what: str) -> None:
    """In words, and nothing changes."""
    before = [one["metadata"]["resourceVersion"] for one in catflap.cluster.api("GET", PLAIN.format(closed))["items"]]
    answer = TOUCHES[what](catflap, closed)
    assert answer.status == 403, answer.body
    assert "is catflap's own" in answer.body["message"]
    assert "catflap:break-glass" in answer.body["message"]
    after = [one["metadata"]["resourceVersion"] for one in catflap.cluster.api("GET", PLAIN.format(closed))["items"]]
    assert after == before


def test_calicos_policies_are_protected_alike(catflap: Installation, namespace_name: str) -> None:
    """In its own API group."""
    catflap.cluster.install_calico()
    catflap.configure({"network": {"engine": "calico"}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: list(names(catflap.cluster.api("GET", CALICO.format(namespace_name)))) == BOTH)
    answer = catflap.cluster.call("DELETE", f"{CALICO.format(namespace_name)}/catflap-default-deny")
    assert answer.status == 403


def test_a_users_own_policy_is_the_users(catflap: Installation, closed: str) -> None:
    """Made, edited and deleted; we are asked what it opens, and refuse nothing by default."""
    path = PLAIN.format(closed)
    assert catflap.cluster.call("POST", path, plain("theirs")).status == 201
    patch = {"metadata": {"labels": {"a": "b"}}}
    assert catflap.cluster.call("PATCH", f"{path}/theirs", patch, content_type=MERGE).status == 200
    assert catflap.cluster.call("DELETE", f"{path}/theirs").status == 200
    theirs = [one for one in catflap.server.records() if one.get("objectRef", {}).get("name") == "theirs"]
    ours = [one for one in theirs if one["objectRef"].get("namespace") == closed]
    assert [(one["verb"], one["decision"]) for one in ours] == [("create", "allowed"), ("update", "allowed")]


def test_an_emergency_is_let_through_and_recorded(catflap: Installation, closed: str) -> None:
    """And the guard is back all the same."""
    path = f"{PLAIN.format(closed)}/catflap-default-deny"
    old = catflap.cluster.api("GET", path)["metadata"]["uid"]
    catflap.emergency("DELETE", path)
    record = next(one for one in reversed(catflap.server.records()) if one.get("verb") == "delete")
    assert record["decision"] == "exempt"
    assert record["reason"] == "break-glass: member of catflap:break-glass"
    assert record["user"]["username"] == "emergency"
    eventually(
        lambda: catflap.cluster.call("GET", path),
        until=lambda seen: seen.status == 200 and seen.body["metadata"]["uid"] != old,
    )


def test_a_dry_run_of_an_emergency_changes_nothing(catflap: Installation, closed: str) -> None:
    """KY PR#15143: let through, recorded as a dry run, and there is nothing to repair."""
    path = f"{PLAIN.format(closed)}/catflap-default-deny"
    before, already = catflap.cluster.api("GET", path), len(catflap.controller.records())
    catflap.emergency("DELETE", f"{path}?dryRun=All")
    record = next(one for one in reversed(catflap.server.records()) if one.get("verb") == "delete")
    assert (record["dryRun"], record["decision"]) == (True, "exempt")
    assert catflap.cluster.api("GET", path) == before
    assert [one for one in catflap.controller.records()[already:] if one["objectRef"]["namespace"] == closed] == []


def test_a_namespace_on_its_way_out_lets_go(catflap: Installation, closed: str) -> None:
    """KY#6097: in a terminating namespace anybody who may delete a policy can."""
    held = deployment("held", closed, GOOD)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    catflap.apply(held)
    catflap.cluster.kubectl("delete", "namespace", closed, "--wait=false")
    path = f"{PLAIN.format(closed)}/catflap-default-deny"
    eventually(lambda: catflap.cluster.call("DELETE", path).status in {200, 404})
    patch = {"metadata": {"finalizers": None}}
    catflap.cluster.api("PATCH", f"/apis/apps/v1/namespaces/{closed}/deployments/held", patch, content_type=MERGE)
    eventually(lambda: catflap.cluster.call("GET", f"/api/v1/namespaces/{closed}").status == 404, within=30)
