"""Tests that reviews count only from the API server: by a rotating path, without a failed request, or by its client certificate."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Final

import pytest
import yaml

from tests import programs
from tests.cluster.installation import NAMESPACE, SECRET_PATH, Installation, eventually, installed, run_server
from tests.cluster.manifests import GOOD, namespace, pod
from tests.controlplane.cluster import running
from tests.controlplane.tools import Tools
from tests.ports import free_port
from tests.programs import Answer, stop
from tests.reviews import encoded
from tests.reviews import pod as reviewed
from webhook.kube import webhook_path

ROTATION: Final = 3.0  # seconds; by default a path is registered a hundred times as long
STREAM_SECONDS: Final = 25.0
AT_ONCE: Final = 4
REVIEW: Final = encoded(reviewed(GOOD))


@pytest.fixture(scope="module")
def quick(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Install catflap on a separate cluster, with a rotation every few seconds."""
    with (
        running(tools) as cluster,
        installed(cluster, tmp_path_factory.mktemp("quick"), options=("--path-rotation", str(ROTATION))) as made,
    ):
        made.configure()
        yield made


def registered(catflap: Installation) -> set[str]:
    """Return the paths in both webhook configurations."""
    entries = [entry for phase in ("validating", "mutating") for entry in catflap.registered(phase)]
    return {entry["clientConfig"]["service"]["path"] for entry in entries}


def tokens(catflap: Installation) -> set[str]:
    """Return the tokens in both webhook configurations; the plain path has an empty one."""
    return {path.split("/")[2] if path.count("/") > 1 else "" for path in registered(catflap)}


def create(catflap: Installation, space: str, name: str, labels: dict[str, str] = GOOD) -> Any:
    """Create a Pod through the API server; return the whole answer."""
    return catflap.cluster.call("POST", f"/api/v1/namespaces/{space}/pods", pod(name, space, labels))


def test_no_request_fails_while_the_path_changes_again_and_again(quick: Installation, namespace_name: str) -> None:
    """Pods are created continually over many rotations; each is judged, at a path that the server accepted before its registration."""
    quick.configure()  # whatever another test wrote
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    over, seen = Event(), set[str]()

    def stream(worker: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        while not over.is_set():
            good = statuses.total() % 5 > 0
            found = create(quick, namespace_name, f"web-{worker}-{statuses.total()}", GOOD if good else {})
            statuses[found.status] += 1
            # On a busy machine catflap itself may report that a verification takes too long; a path that is not
            # accepted is a failed call.
            assert found.status in {201 if good else 403, 503}, found.body
            assert found.status != 503 or "denied the request" in found.body["message"], found.body
            time.sleep(0.02)
        return statuses

    with ThreadPoolExecutor(AT_ONCE) as pool:
        workers = [pool.submit(stream, worker) for worker in range(AT_ONCE)]
        deadline = time.monotonic() + STREAM_SECONDS
        while time.monotonic() < deadline and not any(one.done() for one in workers):
            seen |= tokens(quick)
            time.sleep(0.1)
        over.set()
        total = sum((one.result() for one in workers), Counter[int]())
    assert total[201] > total[403] > 0
    assert total[503] < total[201] / 10
    assert len(seen) >= 4, f"{len(seen)} paths in {STREAM_SECONDS} s"
    decisions = [one for one in quick.server.records("decision") if one["objectRef"].get("namespace") == namespace_name]
    assert {one["senderAuthentication"] for one in decisions} == {"path"}


def test_an_earlier_path_is_accepted_for_the_overlap_alone(quick: Installation) -> None:
    """A user who read it in an error message can use it for that long."""
    old = quick.path()
    eventually(lambda: quick.path() != old)
    eventually(lambda: quick.server.post(old, REVIEW).status == 401)


def test_no_token_is_written_down(quick: Installation) -> None:
    """It is in no log, record, Event or metric; the write of the Secret is recorded."""
    secret = set(quick.tokens().accepted) | tokens(quick)
    written = [quick.server.log(), quick.controller.log(), quick.server.audit_log.read_text("utf-8")]
    written += [quick.controller.audit_log.read_text("utf-8"), quick.controller.status("/metrics").body.decode()]
    written += [quick.server.status("/metrics").body.decode(), json.dumps(quick.events())]
    assert not [one for one in secret if any(one in text for text in written)]
    eventually(lambda: "WebhookPathRegistered" in reasons(quick))


def reasons(catflap: Installation) -> list[str]:
    """Return the reasons of the controller's writes of the Secret."""
    return [one["reasonCode"] for one in catflap.controller.records("write") if one["objectRef"]["kind"] == "Secret"]


@pytest.mark.parametrize("path", ["/validate", "/mutate", "/validate/" + "x" * 43])
def test_a_stranger_is_refused_and_leaves_nothing(quick: Installation, path: str) -> None:
    """It leaves no record, no Event and no request to the API server, only a count."""
    before, asked = len(quick.server.records("decision")), quick.cluster.audit_size()
    answer: Answer = quick.server.post(path, encoded(reviewed({}), userInfo={"username": "forged", "groups": []}))
    assert (answer.status, b"not authenticated" in answer.body) == (401, True)
    assert [one for one in quick.server.records("decision")[before:] if one["user"]["username"] == "forged"] == []
    ours = f"system:serviceaccount:{NAMESPACE}:catflap"
    events = [one for one in quick.cluster.audit_events(after=asked) if one["user"]["username"] == ours]
    assert [
        one["requestURI"] for one in events if "/shop" in one["requestURI"] or one["verb"] in {"create", "patch"}
    ] == []


def test_a_secret_that_is_deleted_or_spoiled_stops_no_review(quick: Installation, namespace_name: str) -> None:
    """The server keeps the tokens that it knows, and the controller stores the registered one again."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    where = webhook_path.path(NAMESPACE)
    quick.cluster.api("DELETE", where)
    assert create(quick, namespace_name, "a").status == 201
    eventually(lambda: quick.cluster.call("GET", where).status == 200)
    quick.cluster.api("PATCH", where, {"data": None}, content_type="application/merge-patch+json")
    assert create(quick, namespace_name, "b").status == 201
    eventually(lambda: tokens(quick) <= set(quick.tokens().accepted) if has_data(quick) else False)
    assert create(quick, namespace_name, "c").status == 201
    before = tokens(quick)
    eventually(lambda: tokens(quick) != before)
    assert create(quick, namespace_name, "d").status == 201


def has_data(catflap: Installation) -> bool:
    """Return whether the Secret has its content again."""
    return bool(catflap.cluster.api("GET", webhook_path.path(NAMESPACE)).get("data"))


def test_a_server_without_the_secret_is_not_ready_and_says_so(quick: Installation, tmp_path: Path) -> None:
    """The server would reject the API server."""
    other = tmp_path / "policy.yaml"
    other.write_text("apiVersion: catflap.dev/v1\nkind: GuardPolicy\n", encoding="utf-8")
    port = free_port()
    options = [
        "--listen",
        f"127.0.0.1:{port}",
        "--tls-dir",
        str(tmp_path / "tls"),
        "--policy",
        str(other),
        *SECRET_PATH,
    ]
    options += ["--kubeconfig", str(quick.cluster.kubeconfig)]
    with programs.running(
        tmp_path, "serve", *options, port=port, ready=False, environment={"POD_NAMESPACE": "default"}
    ) as early:
        early.wait_for("/healthz")
        eventually(lambda: early.status("/readyz").body == b"not ready: secret-path\n")
        assert early.post("/validate", REVIEW).status == 401


def test_after_an_outage_the_path_that_users_saw_is_another_one(quick: Installation, namespace_name: str) -> None:
    """The API server shows the URL in its error."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    stop(quick.server.process)
    shown = eventually(lambda: create(quick, namespace_name, "x"), until=lambda found: found.status == 500)
    [token] = [one for one in tokens(quick) if one in shown.body["message"]]
    quick.server = quick.revived.enter_context(run_server(quick.cluster, quick.folder, quick.port))
    eventually(lambda: token not in tokens(quick))
    eventually(lambda: token not in quick.tokens().accepted)
    eventually(lambda: quick.server.post(f"/validate/{token}", REVIEW).status == 401)
    assert create(quick, namespace_name, "y").status == 201


EDITORS: Final = "policy-editors"


def test_a_preview_names_only_what_its_reader_may_list(quick: Installation, namespace_name: str) -> None:
    """An editor of the policy file learns the number only, an administrator the names."""
    quick.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    quick.configure({"mode": "warn"})
    shown = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shown", "namespace": namespace_name},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": pod("x", "y", {})["spec"]}},
    }  # fmt: skip
    quick.cluster.api("POST", f"/apis/apps/v1/namespaces/{namespace_name}/deployments", shown)
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch", "update"]}]
    role = {"metadata": {"name": EDITORS, "namespace": NAMESPACE}, "rules": rules}
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
    quick.cluster.api("POST", f"{base}/roles", role)
    binding = {
        "metadata": role["metadata"],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": EDITORS},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": EDITORS}],
    }
    quick.cluster.api("POST", f"{base}/rolebindings", binding)
    text = yaml.safe_dump({"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", "network": {"engine": "kubernetes"}})
    said = {group: preview(quick, text, group) for group in (EDITORS, "system:masters")}
    assert "1 running workload would be rejected" in said[EDITORS]
    assert namespace_name not in said[EDITORS]
    assert f"Deployment {namespace_name}/shown" in said["system:masters"]


def preview(catflap: Installation, text: str, group: str) -> str:
    """Return the warnings of a dry run of a policy file."""
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy?dryRun=All"
    patch = {"data": {"policy.yaml": text}}
    options: dict[str, Any] = {"content_type": "application/merge-patch+json", "as_user": "eve", "as_groups": [group]}
    found = eventually(
        lambda: catflap.cluster.call("PATCH", path, patch, **options), until=lambda one: one.status == 200
    )
    return "\n".join(found.warnings)


@pytest.fixture(scope="module")
def certified(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Install catflap with the API server's client certificate as the only proof."""
    with running(tools) as cluster:
        trust = ("--client-ca", str(cluster.webhook_client_ca), "--client-name", "system:kube-apiserver")
        with installed(
            cluster, tmp_path_factory.mktemp("certified"), trust=trust, options=("--client-certificates",)
        ) as made:
            made.configure()
            yield made


def test_the_api_server_is_known_by_its_certificate(certified: Installation, namespace_name: str) -> None:
    """An AdmissionConfiguration names the certificate; its reviews are judged, and those of an unknown sender are not, at any path."""
    certified.cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    assert eventually(
        lambda: create(certified, namespace_name, "good").status, until=lambda status: status in {201, 409}
    )
    assert create(certified, namespace_name, "bad", {}).status == 403
    decisions = [
        one for one in certified.server.records("decision") if one["objectRef"].get("namespace") == namespace_name
    ]
    assert {one["senderAuthentication"] for one in decisions} == {"client-certificate"}
    for path in ("/validate", "/mutate", *registered(certified)):
        assert certified.server.post(path, REVIEW).status == 401
