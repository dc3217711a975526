"""Whatever becomes of the Secret of the path, no review fails, and the path goes on changing or is reported as old."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import RemoteDisconnected
from typing import Any, Final

import pytest

from tests.cluster.installation import NAMESPACE, WEBHOOKS, Installation, controlled, eventually, installed, served
from tests.cluster.killing import children
from tests.cluster.manifests import GOOD, namespace, pod
from tests.controlplane.cluster import running
from tests.controlplane.tools import Tools
from tests.programs import stop
from tests.reviews import encoded
from tests.reviews import pod as reviewed
from webhook.controller.rotation import OVERLAP
from webhook.kube import webhook_path
from webhook.kube.cluster_info import POLL_SECONDS
from webhook.kube.webhook_path import token_of

PERIOD: Final = 8.0  # seconds
ROTATION: Final = ("--path-rotation", str(PERIOD))
SECRET: Final = webhook_path.path(NAMESPACE)
MERGE: Final = "application/merge-patch+json"
REVIEW: Final = encoded(reviewed(GOOD))
POLICIES: Final = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
EVENTS: Final = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
CONTROLLER: Final = f"system:serviceaccount:{NAMESPACE}:catflap-controller"


@pytest.fixture(scope="module")
def quick(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation on a cluster of its own, whose path changes every few seconds."""
    with (
        running(tools) as cluster,
        installed(cluster, tmp_path_factory.mktemp("paths"), options=ROTATION) as made,
    ):
        made.configure()
        yield made


def create(catflap: Installation, space: str, name: str, query: str = "") -> Any:
    """A Pod, by the API server; the whole answer."""
    return catflap.cluster.call("POST", f"/api/v1/namespaces/{space}/pods{query}", pod(name, space, GOOD))


@contextmanager
def without_controller(catflap: Installation) -> Iterator[None]:
    """The controller is down, and comes back."""
    stop(catflap.controller.process)
    try:
        yield
    finally:
        again = controlled(catflap.cluster, catflap.folder, catflap.port, ready=False, options=ROTATION)
        catflap.controller = catflap.revived.enter_context(again)


def test_a_backup_that_is_restored_stops_no_review(quick: Installation, namespace_name: str) -> None:
    """Neither while the controller is down, nor of a server that starts then; the path of the backup ends afterwards."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    backup, old = quick.cluster.api("GET", SECRET)["data"], quick.tokens().accepted
    eventually(lambda: not set(old) & set(quick.tokens().accepted))
    with without_controller(quick):
        quick.cluster.api("PATCH", SECRET, {"data": backup}, content_type=MERGE)
        eventually(lambda: quick.server.post(f"/validate/{old[0]}", REVIEW).status == 200)
        assert create(quick, namespace_name, "kept").status == 201
        stop(quick.server.process)
        quick.server = quick.revived.enter_context(served(quick.cluster, quick.folder, quick.port))
        assert create(quick, namespace_name, "started").status == 201
    eventually(lambda: not set(old) & set(quick.tokens().accepted), until=lambda ended: ended)
    eventually(lambda: quick.server.post(f"/validate/{old[0]}", REVIEW).status == 401)
    assert create(quick, namespace_name, "changed").status == 201


def test_a_registration_that_is_restored_is_served_within_seconds(quick: Installation, namespace_name: str) -> None:
    """While the controller is down, servers read from the validating configuration which path API servers use."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    where = WEBHOOKS.format("validating")
    [old] = {token_of(one) for one in quick.registered("validating")}
    before = quick.cluster.api("GET", where)["webhooks"]
    eventually(lambda: old not in quick.tokens().accepted)
    with without_controller(quick):
        quick.cluster.api("PATCH", where, {"webhooks": before}, content_type=MERGE)
        eventually(lambda: create(quick, namespace_name, "a").status == 201, within=2 * POLL_SECONDS + 5)
    eventually(lambda: old not in {token_of(one) for one in quick.registered("validating")})
    eventually(lambda: quick.server.post(f"/validate/{old}", REVIEW).status == 401)
    assert create(quick, namespace_name, "b").status == 201


@pytest.mark.parametrize(
    "content",
    [None, {}, {"tokens.json": "%%%"}, {"tokens.json": "e30="}, {"tokens.json": "QUFB" * 300_000}],
    ids=["emptied", "no key", "no base64", "no token", "a megabyte"],
)
def test_a_secret_with_other_content_stops_no_review(
    quick: Installation, namespace_name: str, content: dict[str, str] | None
) -> None:
    """The servers keep what they know, and the controller stores it again."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    body = {"metadata": {"name": "catflap-webhook-path"}, "data": content}
    found = quick.cluster.call("PUT", SECRET, body)
    if "%%%" in str(content):
        assert found.status == 400, "the API server itself takes no such content"
        return
    assert found.status == 200
    assert create(quick, namespace_name, "a").status == 201
    eventually(lambda: is_whole(quick))
    before = quick.tokens().registered
    eventually(lambda: quick.tokens().registered != before)
    assert create(quick, namespace_name, "b").status == 201


def is_whole(catflap: Installation) -> bool:
    """Whether the Secret contains tokens that can be read."""
    try:
        return bool(catflap.tokens().accepted)
    except webhook_path.InvalidTokensError:
        return False


def make_immutable(catflap: Installation) -> None:
    """As an administrator may, who does not know that it changes."""
    catflap.cluster.api("PATCH", SECRET, {"immutable": True}, content_type=MERGE)


def change_type(catflap: Installation) -> None:
    """A tool puts the same content into a Secret of its own type."""
    found = catflap.cluster.api("GET", SECRET)
    catflap.cluster.api("DELETE", SECRET)
    body = {"metadata": {"name": found["metadata"]["name"]}, "data": found["data"], "type": "example.com/other"}
    # The controller may be faster; then its own Secret goes again.
    while catflap.cluster.call("POST", SECRET.rpartition("/")[0], body).status != 201:
        catflap.cluster.call("DELETE", SECRET)


@pytest.mark.parametrize("change", [make_immutable, change_type])
def test_a_secret_that_cannot_be_changed_is_created_again(
    quick: Installation, namespace_name: str, change: Any
) -> None:
    """By uid and version, and no review fails meanwhile."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    before = quick.cluster.api("GET", SECRET)["metadata"]["uid"]
    change(quick)
    assert create(quick, namespace_name, "a").status == 201
    eventually(lambda: is_changeable(quick, before))
    held = quick.tokens().registered
    eventually(lambda: quick.tokens().registered != held)
    assert create(quick, namespace_name, "b").status == 201


def is_changeable(catflap: Installation, before: str) -> bool:
    """Whether the Secret is another one, as the controller writes it."""
    found = catflap.cluster.call("GET", SECRET)
    return found.status == 200 and (
        found.body["metadata"]["uid"] != before and not found.body.get("immutable") and found.body["type"] == "Opaque"
    )


def test_a_path_that_cannot_be_changed_is_reported(quick: Installation, namespace_name: str) -> None:
    """By readiness, metric and an Event that says why; reviews go on meanwhile."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE", "DELETE"], "resources": ["secrets"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "controller", "expression": f"request.userInfo.username == '{CONTROLLER}'"}],
        "validations": [{"expression": "false", "message": "Secrets are managed elsewhere"}],
    }
    binding = {"policyName": "secrets", "validationActions": ["Deny"]}
    quick.cluster.api("POST", f"{POLICIES}ies", {"metadata": {"name": "secrets"}, "spec": spec})
    quick.cluster.api("POST", f"{POLICIES}ybindings", {"metadata": {"name": "secrets"}, "spec": binding})
    try:
        eventually(lambda: b"secret-path" in quick.controller.status("/readyz").body)
        page = quick.controller.status("/metrics").body.decode()
        [age] = [line for line in page.splitlines() if line.startswith("catflap_webhook_path_age_seconds ")]
        assert float(age.split()[1]) > PERIOD
        [told] = [one for one in quick.cluster.api("GET", EVENTS)["items"] if one["reason"] == "PathNotChanged"]
        assert "Secrets are managed elsewhere" in told["note"]
        assert create(quick, namespace_name, "a").status == 201
    finally:
        quick.cluster.api("DELETE", f"{POLICIES}ybindings/secrets")
        quick.cluster.api("DELETE", f"{POLICIES}ies/secrets")
    eventually(lambda: quick.controller.status("/readyz").status == 200)


LATE: Final = "a server answered a review too late or not at all"


def test_a_path_that_a_user_had_shown_is_changed(quick: Installation, namespace_name: str) -> None:
    """Where a server is so slow that the API server stops waiting, the message shows the path."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    with frozen_server(quick):
        shown = create(quick, namespace_name, "a")
    assert shown.status == 500
    [token] = [one for one in quick.tokens().accepted if one in str(shown.body)]
    eventually(lambda: token not in quick.tokens().accepted)
    eventually(lambda: quick.server.post(f"/validate/{token}", REVIEW).status == 401)


def test_a_user_with_little_patience_is_shown_no_path(quick: Installation, namespace_name: str) -> None:
    """The API server says that the request took too long, or ends the connection."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    with frozen_server(quick):
        try:
            shown = str(create(quick, namespace_name, "a", "?timeout=1s"))
        except RemoteDisconnected:
            shown = ""
    assert not any(one in shown for one in quick.tokens().accepted)


@contextmanager
def frozen_server(catflap: Installation) -> Iterator[None]:
    """The server takes connections and does not answer."""
    [worker] = children(catflap.server.process.pid)
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def test_a_caller_that_leaves_before_its_answer_has_the_path_changed(quick: Installation) -> None:
    """As an API server does whose client has left."""
    before = quick.controller.log().count(LATE)
    connection = quick.server.connect()
    connection.putrequest("POST", quick.path())
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(REVIEW)))
    connection.endheaders(REVIEW[:-1])
    time.sleep(0.1)
    connection.close()
    eventually(lambda: quick.controller.log().count(LATE) > before)


@contextmanager
def frozen(process: int | None, seconds: float) -> Iterator[None]:
    """A process that sees nothing for a while, and goes on then with what it knew."""
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    try:
        yield
        time.sleep(seconds)
    finally:
        os.kill(process, signal.SIGCONT)


def test_two_api_servers_of_which_one_lags_use_their_paths_without_a_failure(
    quick: Installation, namespace_name: str
) -> None:
    """The second one sees nothing of a change for most of the overlap, and then sends reviews to the path that it knows."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    where = f"/api/v1/namespaces/{namespace_name}/pods"
    with quick.cluster.another_apiserver() as (second, client):
        for number in range(6):
            held = quick.tokens().registered
            eventually(lambda held=held: quick.tokens().registered != held)  # type: ignore[misc]
            with frozen(second.pid, OVERLAP * PERIOD / 2):
                assert create(quick, namespace_name, f"first-{number}").status == 201
            found = client.call("POST", where, pod(f"second-{number}", namespace_name, GOOD))
            assert found.status == 201, found.body
