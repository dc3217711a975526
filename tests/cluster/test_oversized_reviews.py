"""Tests reviews of the real API server that are too large to decode: each entry rejects or warns, and records it.

`<` takes six bytes in a review, so a request of 1.4 MB becomes one of more than 8 MiB.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import count
from typing import Any, Final

import pytest

from tests.cluster.installation import NAMESPACE, Installation, eventually
from tests.cluster.manifests import GOOD, deployment, pod
from tests.controlplane.client import MERGE, Answer
from tests.controlplane.protobuf import open_policy, post
from webhook.model.names import POLICY_CONFIGMAP, POLICY_CONFIGMAP_KEY
from webhook.server.limits import MAX_BODY_BYTES

PODS: Final = "/api/v1/namespaces/{}/pods"
# An object and its old version, or one that etcd would no longer store.
ONCE: Final = "<" * (MAX_BODY_BYTES // 6 + 1)
TWICE: Final = "<" * (MAX_BODY_BYTES // 12 + 1)
WHY: Final = f"the review of the object has more than {MAX_BODY_BYTES} bytes"
# Each is 4 bytes of protobuf and 24 of JSON.
PEERS: Final = 400_000


def status(catflap: Installation, space: str) -> Answer:
    """Change the role of a Pod with a large status, by its status."""
    path = f"{PODS.format(space)}/web/status"
    filled = {"status": {"message": TWICE}}
    catflap.cluster.api("PATCH", path, filled, content_type=MERGE)
    return catflap.cluster.call("PATCH", path, {"metadata": {"labels": {"role": "data"}}}, content_type=MERGE)


def binding(catflap: Installation, space: str, way: str) -> Answer:
    """Bind a Pod with a role label, and with a large annotation."""
    name = {"pods/binding": "/web/binding", "bindings": ""}[way]
    resource = "bindings" if way == "bindings" else "pods"
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "web", "labels": {"role": "data"}, "annotations": {"x": ONCE}},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "n"},
    }
    return catflap.cluster.call("POST", f"/api/v1/namespaces/{space}/{resource}{name}", body)


def policy_file(catflap: Installation, _space: str) -> Answer:
    """Make a policy file large, and change it; a ConfigMap has 1 MiB at most."""
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{POLICY_CONFIGMAP}"
    text = catflap.cluster.api("GET", path)["data"][POLICY_CONFIGMAP_KEY]
    numbers = count()

    def change() -> Answer:
        body = {"data": {POLICY_CONFIGMAP_KEY: f"{text}# {TWICE}{next(numbers)}\n"}}
        return catflap.cluster.call("PATCH", path, body, content_type=MERGE)

    # The entry's failurePolicy is Ignore: on a busy machine the API server may not wait for the answer, and stores the file.
    return eventually(change, until=lambda found: found.status == 403)


def large_pod(catflap: Installation, space: str) -> Answer:
    """Create a large Pod."""
    body = deepcopy(pod("large", space, GOOD))
    body["spec"]["containers"][0]["args"] = [ONCE]
    return catflap.cluster.call("POST", PODS.format(space), body)


def large_deployment(catflap: Installation, space: str) -> Answer:
    """Create a large Deployment."""
    body = deepcopy(deployment("large", space, GOOD))
    body["spec"]["template"]["spec"]["containers"][0]["args"] = [ONCE]
    return catflap.cluster.call("POST", f"/apis/apps/v1/namespaces/{space}/deployments", body)


WAYS: Final[dict[str, Callable[[Installation, str], Answer]]] = {
    "pods/status": status,
    "pods/binding": lambda catflap, space: binding(catflap, space, "pods/binding"),
    "bindings": lambda catflap, space: binding(catflap, space, "bindings"),
    "the policy file": policy_file,
    "a Pod": large_pod,
    "a Deployment": large_deployment,
}


def records(catflap: Installation) -> list[dict[str, Any]]:
    """Return the decisions on reviews that were not decoded."""
    found = catflap.server.records("decision")
    return [one for one in found if WHY in str(one.get("denied", "")) + str(one.get("warned", ""))]


@pytest.mark.parametrize("way", WAYS)
def test_what_is_enforced_is_refused(catflap: Installation, space: str, way: str) -> None:
    """There is a message and a record: a decision, and not a failed call."""
    before = len(records(catflap))
    answer = WAYS[way](catflap, space)
    assert answer.status == 403, answer.body
    assert WHY in answer.body["message"]
    assert catflap.cluster.api("GET", f"{PODS.format(space)}/web")["metadata"]["labels"] == GOOD
    assert {one["decision"] for one in records(catflap)[before:]} == {"denied"}


@pytest.fixture
def token(catflap: Installation, space: str) -> str:
    """The user is a ServiceAccount that may edit the namespace."""
    account = f"/api/v1/namespaces/{space}/serviceaccounts"
    catflap.cluster.api("POST", account, {"metadata": {"name": "writer"}})
    binding = ["--clusterrole=edit", f"--serviceaccount={space}:writer", f"--namespace={space}"]
    catflap.cluster.kubectl("create", "rolebinding", "writer", *binding)
    answer = catflap.cluster.api("POST", f"{account}/writer/token", {"spec": {}})
    return str(answer["status"]["token"])


@pytest.fixture
def enforced(catflap: Installation) -> Iterator[None]:
    """`no-open-policy` enforces."""
    catflap.configure({"rules": {"no-open-policy": "enforce"}})
    yield
    catflap.configure({})


POLICIES: Final = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies?dryRun=All"


@pytest.mark.usefixtures("enforced")
def test_a_policy_is_refused_where_a_rule_enforces(catflap: Installation, space: str, token: str) -> None:
    """Four bytes of protobuf become twenty-four."""
    body = open_policy("large", space, peers=PEERS)
    eventually(lambda: post(catflap.cluster, POLICIES.format(space), body, token=token) == 403)
    assert records(catflap)[-1]["decision"] == "denied"


def test_a_policy_is_warned_of_where_a_rule_warns(catflap: Installation, space: str, token: str) -> None:
    """It passes, and is recorded."""
    before = len(records(catflap))
    body = open_policy("large", space, peers=PEERS)
    assert post(catflap.cluster, POLICIES.format(space), body, token=token) == 201
    assert [one["decision"] for one in records(catflap)[before:]] == ["allowed"]


def test_a_policy_with_catflaps_name_is_refused_in_every_mode(catflap: Installation, space: str, token: str) -> None:
    """Catflap writes it."""
    body = open_policy("catflap-large", space, peers=PEERS)
    assert post(catflap.cluster, POLICIES.format(space), body, token=token) == 403
