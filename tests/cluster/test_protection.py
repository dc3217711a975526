"""Tests that only catflap writes its own policies: even an administrator is directed to break-glass."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.installation import NAMESPACE, Installation, eventually, names, run_server
from tests.cluster.manifests import GOOD, namespace, pod
from tests.controlplane.client import APPLY, MERGE, Answer
from tests.programs import Program, stop

PLAIN = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
CALICO = "/apis/projectcalico.org/v3/namespaces/{}/networkpolicies"
BOTH = ["catflap-allow-dns", "catflap-default-deny"]
MANAGED = {"app.kubernetes.io/managed-by": "catflap"}

Touch = Callable[[Installation, str], Answer]


def plain(name: str, *, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a NetworkPolicy that opens everything."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"podSelector": {}, "ingress": [{}]},
    }


@pytest.fixture
def closed(catflap: Installation, namespace_name: str) -> str:
    """Return a namespace with both policies."""
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
    """A message explains it, and nothing changes."""
    before = [one["metadata"]["resourceVersion"] for one in catflap.cluster.api("GET", PLAIN.format(closed))["items"]]
    answer = TOUCHES[what](catflap, closed)
    assert answer.status == 403, answer.body
    assert "belongs to catflap" in answer.body["message"]
    assert "catflap:break-glass" in answer.body["message"]
    after = [one["metadata"]["resourceVersion"] for one in catflap.cluster.api("GET", PLAIN.format(closed))["items"]]
    assert after == before


def test_calicos_policies_are_protected_alike(catflap: Installation, namespace_name: str) -> None:
    """It is in its own API group."""
    catflap.cluster.install_calico()
    catflap.configure({"network": {"engine": "calico"}})
    catflap.apply(namespace(namespace_name))
    eventually(lambda: list(names(catflap.cluster.api("GET", CALICO.format(namespace_name)))) == BOTH)
    answer = catflap.cluster.call("DELETE", f"{CALICO.format(namespace_name)}/catflap-default-deny")
    assert answer.status == 403


def test_a_users_own_policy_is_the_users(catflap: Installation, closed: str) -> None:
    """It is created, edited and deleted; catflap reviews what it opens, and rejects nothing by default."""
    path = PLAIN.format(closed)
    assert catflap.cluster.call("POST", path, plain("theirs")).status == 201
    patch = {"metadata": {"labels": {"a": "b"}}}
    assert catflap.cluster.call("PATCH", f"{path}/theirs", patch, content_type=MERGE).status == 200
    assert catflap.cluster.call("DELETE", f"{path}/theirs").status == 200
    theirs = [one for one in catflap.server.records() if one.get("objectRef", {}).get("name") == "theirs"]
    ours = [one for one in theirs if one["objectRef"].get("namespace") == closed]
    assert [(one["verb"], one["decision"]) for one in ours] == [("create", "allowed"), ("update", "allowed")]


def test_an_emergency_is_let_through_and_recorded(catflap: Installation, closed: str) -> None:
    """The policy returns all the same."""
    path = f"{PLAIN.format(closed)}/catflap-default-deny"
    old = catflap.cluster.api("GET", path)["metadata"]["uid"]
    catflap.emergency("DELETE", path)
    record = next(one for one in reversed(catflap.server.records()) if one.get("verb") == "delete")
    assert record["decision"] == "exempt"
    assert (record["reasonCode"], record["reason"]) == ("BreakGlass", "break-glass: member of catflap:break-glass")
    assert record["user"]["username"] == "emergency"
    eventually(
        lambda: catflap.cluster.call("GET", path),
        until=lambda seen: seen.status == 200 and seen.body["metadata"]["uid"] != old,
    )


def test_a_dry_run_of_an_emergency_changes_nothing(catflap: Installation, closed: str) -> None:
    """KY PR#15143: it is admitted and recorded as a dry run, and nothing has to be repaired."""
    path = f"{PLAIN.format(closed)}/catflap-default-deny"
    before, already = catflap.cluster.api("GET", path), len(catflap.controller.records())
    catflap.emergency("DELETE", f"{path}?dryRun=All")
    record = next(one for one in reversed(catflap.server.records()) if one.get("verb") == "delete")
    assert (record["dryRun"], record["decision"]) == (True, "exempt")
    assert catflap.cluster.api("GET", path) == before
    assert [one for one in catflap.controller.records()[already:] if one["objectRef"]["namespace"] == closed] == []


def test_a_namespace_that_is_being_deleted_stays_isolated(catflap: Installation, closed: str) -> None:
    """KY#6097: while a Pod has a finalizer, catflap's policies stay, edits are repaired, and then everything is deleted."""
    held = pod("held", closed, GOOD, finalizers=["example.com/hold"])
    catflap.apply(held, check=True)
    catflap.cluster.kubectl("delete", "namespace", closed, "--wait=false")
    where = f"/api/v1/namespaces/{closed}"
    eventually(lambda: "deletionTimestamp" in catflap.cluster.api("GET", f"{where}/pods/held")["metadata"])
    for name in BOTH:
        answer = catflap.cluster.call("DELETE", f"{PLAIN.format(closed)}/{name}")
        assert (answer.status, "belongs to catflap" in answer.body["message"]) == (403, True)
    path = f"{PLAIN.format(closed)}/catflap-default-deny"
    catflap.emergency("PATCH", path, {"spec": {"ingress": [{}]}}, content_type=MERGE)
    eventually(lambda: "ingress" not in catflap.cluster.api("GET", path)["spec"])
    assert "held" in names(catflap.cluster.api("GET", f"{where}/pods"))
    catflap.cluster.api("PATCH", f"{where}/pods/held", {"metadata": {"finalizers": None}}, content_type=MERGE)
    eventually(lambda: catflap.cluster.call("GET", where).status == 404)


def test_a_policy_that_cannot_be_restored_in_it_is_reported(catflap: Installation, closed: str) -> None:
    """Break-glass deletes the policy while a Pod still runs; the API server creates no object there."""
    catflap.apply(pod("held", closed, GOOD, finalizers=["example.com/hold"]), check=True)
    catflap.cluster.kubectl("delete", "namespace", closed, "--wait=false")
    where = f"/api/v1/namespaces/{closed}"
    eventually(lambda: "deletionTimestamp" in catflap.cluster.api("GET", f"{where}/pods/held")["metadata"])
    catflap.emergency("DELETE", f"{PLAIN.format(closed)}/catflap-default-deny")
    said = (
        f"namespace {closed} is being deleted, and its NetworkPolicy catflap-default-deny no longer exists, but "
        "Pod held may still run"
    )
    eventually(lambda: said in catflap.controller.log())
    events = "/apis/events.k8s.io/v1/namespaces/default/events"
    eventually(lambda: any(said in one["note"] for one in catflap.cluster.api("GET", events)["items"]))
    eventually(lambda: any(one["reasonCode"] == "PolicyNotRepaired" for one in written(catflap, closed)))
    eventually(lambda: b"catflap_not_repaired 1.0" in catflap.controller.status("/metrics").body)
    catflap.cluster.api("PATCH", f"{where}/pods/held", {"metadata": {"finalizers": None}}, content_type=MERGE)
    eventually(lambda: catflap.cluster.call("GET", where).status == 404)
    eventually(lambda: b"catflap_not_repaired 0.0" in catflap.controller.status("/metrics").body)


def written(catflap: Installation, namespace: str) -> list[dict[str, Any]]:
    """Return the controller's records of its writes about a namespace."""
    return [one for one in catflap.controller.records("write") if one["objectRef"]["name"] == namespace]


METRIC = b"catflap_policy_file_missing 1.0"
FILE = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"


def test_the_policy_file_is_not_deleted_by_just_anyone(catflap: Installation) -> None:
    """An editor of the namespace is rejected, and an Event reports it."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "editors"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "User", "name": "editor", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings"
    catflap.cluster.call("POST", bindings, binding)
    answer = eventually(  # the API server itself rejects until it knows the binding
        lambda: catflap.cluster.call("DELETE", FILE, as_user="editor", as_groups=["system:authenticated"]),
        until=lambda seen: "policyFile.deletedBy" in seen.body["message"],
    )
    assert answer.status == 403
    eventually(lambda: any(one["reason"] == "PolicyFileDeletionRefused" for one in catflap.events()))
    # The API server sends a review for each object of a collection, without its name.
    collection = f"{FILE.rpartition('/')[0]}?fieldSelector=metadata.name%3Dcatflap-policy"
    answer = catflap.cluster.call("DELETE", collection, as_user="editor", as_groups=["system:authenticated"])
    assert (answer.status, "policyFile.deletedBy" in answer.body["message"]) == (403, True)
    assert catflap.cluster.call("GET", FILE).status == 200


def test_a_deleted_policy_file_is_reported(catflap: Installation, policy_file_restored: Callable[[], None]) -> None:
    """A deletion by a user whom the file names is recorded; running processes stay ready, and a new one does not become ready."""
    assert catflap.cluster.call("DELETE", FILE).status == 200  # the tests' own user is in system:masters
    eventually(lambda: {"PolicyFileDeleted", "PolicyFileMissing"} <= {one["reason"] for one in catflap.events()})
    record = next(
        one for one in reversed(catflap.server.records("decision")) if one["objectRef"].get("name") == "catflap-policy"
    )
    assert (record["verb"], record["reasonCode"]) == ("delete", "AuthorizedGroup")
    assert record["reason"] == "member of system:masters"
    missing = "ConfigMap catflap-system/catflap-policy, which contains the policy file, is missing"
    for program in (catflap.server, catflap.controller):
        eventually(lambda program=program: missing in program.log())  # type: ignore[misc]
        eventually(lambda program=program: METRIC in program.status("/metrics").body)  # type: ignore[misc]
        assert program.status("/readyz").status == 200
    stop(catflap.server.process)
    try:
        with run_server(catflap.cluster, catflap.folder, catflap.port, ready=False) as server:
            eventually(lambda: b"ConfigMap catflap-system/catflap-policy is missing" in readiness(server))
            policy_file_restored()
            eventually(lambda: readiness(server) == b"ok\n")
    finally:
        policy_file_restored()
        catflap.server = catflap.revived.enter_context(run_server(catflap.cluster, catflap.folder, catflap.port))


@pytest.fixture
def policy_file_restored(catflap: Installation) -> Iterator[Callable[[], None]]:
    """Yield a function that creates the policy file again; it also runs after the test, as other tests need the file."""
    kept = catflap.cluster.api("GET", FILE)
    metadata = {key: kept["metadata"][key] for key in ("name", "labels", "annotations") if key in kept["metadata"]}

    def restore() -> None:
        answer = catflap.cluster.call("POST", FILE.rpartition("/")[0], {**kept, "metadata": metadata})
        assert answer.status in (201, 409), answer.body

    yield restore
    restore()


def readiness(program: Program) -> bytes:
    """Return the body of the status port; empty while it is closed."""
    try:
        return program.status("/readyz").body
    except OSError:
        return b""
