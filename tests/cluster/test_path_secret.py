"""Tests changes of the path's Secret: no review fails, and the path is still rotated or reported as old."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import RemoteDisconnected
from typing import Any, Final

import pytest

from tests.cluster.installation import (
    NAMESPACE,
    WEBHOOKS,
    Installation,
    eventually,
    installed,
    run_controller,
    run_server,
)
from tests.cluster.manifests import GOOD, namespace, pod
from tests.cluster.process_kills import children
from tests.controlplane.cluster import running
from tests.controlplane.tools import Tools
from tests.programs import stop
from tests.reviews import encoded
from tests.reviews import pod as reviewed
from webhook.controller.path_rotation import OVERLAP
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
    """Install catflap on a separate cluster, with a rotation every few seconds."""
    with (
        running(tools) as cluster,
        installed(cluster, tmp_path_factory.mktemp("paths"), options=ROTATION) as made,
    ):
        made.configure()
        yield made


def create(catflap: Installation, space: str, name: str, query: str = "") -> Any:
    """Create a Pod through the API server; return the whole answer."""
    return catflap.cluster.call("POST", f"/api/v1/namespaces/{space}/pods{query}", pod(name, space, GOOD))


@contextmanager
def without_controller(catflap: Installation) -> Iterator[None]:
    """Stop the controller, and start it at the end."""
    stop(catflap.controller.process)
    try:
        yield
    finally:
        again = run_controller(catflap.cluster, catflap.folder, catflap.port, ready=False, options=ROTATION)
        catflap.controller = catflap.revived.enter_context(again)


def test_a_backup_that_is_restored_stops_no_review(quick: Installation, namespace_name: str) -> None:
    """Reviews work while the controller is down, also on a server that starts then; the restored path ends afterwards."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    backup, old = quick.cluster.api("GET", SECRET)["data"], quick.tokens().accepted
    eventually(lambda: not set(old) & set(quick.tokens().accepted))
    with without_controller(quick):
        quick.cluster.api("PATCH", SECRET, {"data": backup}, content_type=MERGE)
        eventually(lambda: quick.server.post(f"/validate/{old[0]}", REVIEW).status == 200)
        assert create(quick, namespace_name, "kept").status == 201
        stop(quick.server.process)
        quick.server = quick.revived.enter_context(run_server(quick.cluster, quick.folder, quick.port))
        assert create(quick, namespace_name, "started").status == 201
    eventually(lambda: not set(old) & set(quick.tokens().accepted), until=lambda ended: ended)
    eventually(lambda: quick.server.post(f"/validate/{old[0]}", REVIEW).status == 401)
    assert create(quick, namespace_name, "changed").status == 201


def test_a_registration_that_is_restored_is_served_within_seconds(quick: Installation, namespace_name: str) -> None:
    """While the controller is down, servers read the path that API servers use from the validating configuration."""
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
    """The servers keep the tokens that they know, and the controller stores them again."""
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
    """Return whether the Secret contains valid tokens."""
    try:
        return bool(catflap.tokens().accepted)
    except webhook_path.InvalidTokensError:
        return False


def make_immutable(catflap: Installation) -> None:
    """An administrator may do so without knowing that it rotates."""
    catflap.cluster.api("PATCH", SECRET, {"immutable": True}, content_type=MERGE)


def change_type(catflap: Installation) -> None:
    """A tool stores the same content in a Secret of another type."""
    found = catflap.cluster.api("GET", SECRET)
    catflap.cluster.api("DELETE", SECRET)
    body = {"metadata": {"name": found["metadata"]["name"]}, "data": found["data"], "type": "example.com/other"}
    # The controller may be faster; then its own Secret is deleted again.
    while catflap.cluster.call("POST", SECRET.rpartition("/")[0], body).status != 201:
        catflap.cluster.call("DELETE", SECRET)


@pytest.mark.parametrize("change", [make_immutable, change_type])
def test_a_secret_that_cannot_be_changed_is_created_again(
    quick: Installation, namespace_name: str, change: Any
) -> None:
    """It is deleted by uid and version, and no review fails in the meantime."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    before = quick.cluster.api("GET", SECRET)["metadata"]["uid"]
    change(quick)
    assert create(quick, namespace_name, "a").status == 201
    eventually(lambda: is_changeable(quick, before))
    held = quick.tokens().registered
    eventually(lambda: quick.tokens().registered != held)
    assert create(quick, namespace_name, "b").status == 201


def is_changeable(catflap: Installation, before: str) -> bool:
    """Return whether the Secret is a new one, as the controller writes it."""
    found = catflap.cluster.call("GET", SECRET)
    return found.status == 200 and (
        found.body["metadata"]["uid"] != before and not found.body.get("immutable") and found.body["type"] == "Opaque"
    )


def test_a_path_that_cannot_be_changed_is_reported(quick: Installation, namespace_name: str) -> None:
    """Readiness, a metric and an Event report it with the reason; reviews still work."""
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
    """If a server exceeds the API server's timeout, the message shows the path."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    with frozen_server(quick):
        shown = create(quick, namespace_name, "a")
    assert shown.status == 500
    [token] = [one for one in quick.tokens().accepted if one in str(shown.body)]
    eventually(lambda: token not in quick.tokens().accepted)
    eventually(lambda: quick.server.post(f"/validate/{token}", REVIEW).status == 401)


def test_a_user_with_little_patience_is_shown_no_path(quick: Installation, namespace_name: str) -> None:
    """The API server reports a timeout, or closes the connection."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    with frozen_server(quick):
        try:
            shown = str(create(quick, namespace_name, "a", "?timeout=1s"))
        except RemoteDisconnected:
            shown = ""
    assert not any(one in shown for one in quick.tokens().accepted)


@contextmanager
def frozen_server(catflap: Installation) -> Iterator[None]:
    """Let the server accept connections and answer nothing."""
    [worker] = children(catflap.server.process.pid)
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def test_a_caller_that_leaves_before_its_answer_has_the_path_changed(quick: Installation) -> None:
    """It ends like a call of an API server whose client disconnected."""
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
    """Stop a process for a while; it continues afterwards with what it knew."""
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
    """The second API server does not see a change for most of the overlap, and then uses the path that it knows."""
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
