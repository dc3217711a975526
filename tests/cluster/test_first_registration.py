"""Tests obstacles to a first registration: Pods are admitted, an Event gives the reason, and catflap registers once it is solved."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster.installation import (
    CHART,
    NAMESPACE,
    WEBHOOKS,
    eventually,
    run_controller,
    run_server,
)
from tests.cluster.manifests import namespace, pod
from tests.cluster.standalone_install import (
    NAME,
    PODS,
    assert_admitted,
    assert_guarded,
    assert_open,
    clean_cluster,
    install,
    issue,
    standalone_cluster,
    status,
)
from tests.controlplane.client import MERGE
from tests.controlplane.cluster import Cluster
from tests.ports import free_port
from tests.programs import Program
from tests.programs import running as program

__all__ = ["clean_cluster", "standalone_cluster"]

POLICY = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/catflap"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
QUIET_SECONDS = 2.0  # longer than the controller takes to see a change


def told(cluster: Cluster, kind: str, reason: str) -> list[str]:
    """Return the notes of Events with a reason on a kind of object."""
    found = cluster.api("GET", EVENTS)["items"]
    return [one["note"] for one in found if (one["regarding"]["kind"], one["reason"]) == (kind, reason)]


def test_with_an_image_that_cannot_be_pulled(clean_cluster: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """The servers' Deployment has no ready replica, and none answers; the test sets the status of its Pods, as no node runs."""
    port = free_port()
    issue(tmp_path, NAME, "localhost")
    clean_cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(clean_cluster, tmp_path, port, server={"enabled": True, "replicas": 2})
    options = ["--server-deployment", f"{NAMESPACE}/catflap:2"]
    with run_controller(clean_cluster, tmp_path, port, ready=False, options=options) as controller:
        needed = f"0 of the 2 required replicas of Deployment {NAMESPACE}/catflap are ready"
        eventually(lambda: status(clean_cluster), until=lambda seen: needed in seen)
        eventually(lambda: told(clean_cluster, "Deployment", "NotRegistered"))
        eventually(lambda: needed in controller.log())
        assert controller.status("/readyz").status == 503
        assert_open(clean_cluster, namespace_name)
        with run_server(clean_cluster, tmp_path, port, ready=False):
            set_ready(clean_cluster, 1)
            eventually(lambda: status(clean_cluster), until=lambda seen: "1 of the 2 required replicas" in seen)
            assert_open(clean_cluster, namespace_name)
            set_ready(clean_cluster, 2)
            assert_guarded(clean_cluster, namespace_name)
            eventually(lambda: status(clean_cluster) == "registered")
            eventually(lambda: controller.status("/readyz").status == 200)
            set_ready(clean_cluster, 0)
            eventually(lambda: ready_replicas(clean_cluster) == 0)
            time.sleep(QUIET_SECONDS)
            assert clean_cluster.call("GET", WEBHOOKS.format("validating")).status == 200  # it stays, whatever is ready
            assert_guarded(clean_cluster, namespace_name, "again")


def set_ready(cluster: Cluster, count: int) -> None:
    """Set this many Pods of the servers ready, as their kubelets would."""
    path = PODS.format(NAMESPACE)
    pods = eventually(lambda: servers(cluster), until=lambda seen: len(seen) >= 2)
    for number, name in enumerate(pods):
        condition = {"type": "Ready", "status": "True" if number < count else "False"}
        status = {"status": {"phase": "Running", "conditions": [condition]}}
        cluster.api("PATCH", f"{path}/{name}/status", status, content_type=MERGE)


def servers(cluster: Cluster) -> list[str]:
    """Return the names of the servers' Pods."""
    found = cluster.api("GET", PODS.format(NAMESPACE) + "?labelSelector=role%3Dserver")["items"]
    return sorted(one["metadata"]["name"] for one in found)


def ready_replicas(cluster: Cluster) -> int:
    """Return the status of the Deployment."""
    return int(cluster.api("GET", DEPLOYMENT)["status"].get("readyReplicas", 0))


def test_with_a_wrong_policy(clean_cluster: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """For example, the file has a typo in a mode, which the chart's schema does not detect."""
    port = free_port()
    issue(tmp_path, NAME, "localhost")
    clean_cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(clean_cluster, tmp_path, port)
    good = clean_cluster.api("GET", POLICY)["data"]["policy.yaml"]
    clean_cluster.api(
        "PATCH", POLICY, {"data": {"policy.yaml": good.replace("mode: enforce", "mode: enforec")}}, content_type=MERGE
    )
    with (
        run_server(clean_cluster, tmp_path, port, ready=False),
        run_controller(clean_cluster, tmp_path, port, ready=False) as controller,
    ):
        notes = eventually(lambda: told(clean_cluster, "ConfigMap", "PolicyFileRefused"))
        assert "mode: " in notes[0]
        eventually(lambda: "the policy file is invalid" in controller.log())
        assert clean_cluster.call("GET", WEBHOOKS.format("validating")).status == 404
        assert_open(clean_cluster, namespace_name)
        clean_cluster.api("PATCH", POLICY, {"data": {"policy.yaml": good}}, content_type=MERGE)
        assert_guarded(clean_cluster, namespace_name)


def test_with_a_certificate_for_another_name(clean_cluster: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """The API server would not trust it; a correct one is used without a restart."""
    port = free_port()
    issue(tmp_path, "elsewhere.example.com")
    clean_cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(clean_cluster, tmp_path, port)
    with (
        run_server(clean_cluster, tmp_path, port, ready=False) as server,
        run_controller(clean_cluster, tmp_path, port, ready=False) as controller,
    ):
        server.wait_for("/healthz")
        eventually(lambda: status(clean_cluster), until=lambda seen: f"issue it for the name {NAME}" in seen)
        notes = eventually(
            lambda: told(clean_cluster, "ConfigMap", "NotRegistered"), until=lambda seen: NAME in " ".join(seen)
        )
        assert any("not registered yet, so catflap checks no request" in note for note in notes)
        eventually(lambda: f"issue it for the name {NAME}" in controller.log())
        assert_open(clean_cluster, namespace_name)
        for path in (tmp_path / "tls").iterdir():
            path.unlink()
        issue(tmp_path, NAME, "localhost")
        assert_guarded(clean_cluster, namespace_name)


def test_with_another_ca(clean_cluster: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """It differs from the CA that signed the servers' certificate."""
    port, other = free_port(), tmp_path / "other"
    issue(tmp_path, NAME, "localhost")
    issue(other, NAME)
    clean_cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(clean_cluster, tmp_path, port)
    with (
        run_server(clean_cluster, tmp_path, port, ready=False),
        run_controller(clean_cluster, other, port, ready=False),
    ):
        eventually(lambda: status(clean_cluster), until=lambda seen: "register the CA that signed it" in seen)
        assert_open(clean_cluster, namespace_name)
        (other / "tls" / "ca.crt").write_bytes((tmp_path / "tls" / "ca.crt").read_bytes())
        assert_guarded(clean_cluster, namespace_name)


class TestReadme:
    """The commands of docs/without-a-chart.md are run as they are written."""

    @staticmethod
    def commands() -> list[list[str]]:
        """Return each command of that page, as words."""
        text = (CHART.parents[1] / "docs" / "without-a-chart.md").read_text("utf-8")
        block = text.partition("```console\n")[2].partition("```")[0]
        return [
            line.removeprefix("$ ").split() for line in block.replace("\\\n", " ").splitlines() if line.startswith("$")
        ]

    def test_a_labelled_pod_gets_in_and_an_unlabelled_one_does_not(
        self, clean_cluster: Cluster, tmp_path: Path, namespace_name: str
    ) -> None:
        """Both processes run as the administrator of the kubeconfig; HOST is this machine."""
        (tmp_path / "policy.yaml").write_text("apiVersion: catflap.dev/v1\nkind: GuardPolicy\n", encoding="utf-8")
        create, serve, control = self.commands()
        clean_cluster.kubectl(*create[1:])
        with ExitStack() as stack:
            port = free_port()
            server = stack.enter_context(self.started(tmp_path, clean_cluster, serve, port))
            server.wait_for("/healthz")  # a process that has ended shows its log here
            controller = stack.enter_context(self.started(tmp_path, clean_cluster, control, port))
            clean_cluster.api("POST", "/api/v1/namespaces", namespace(namespace_name))
            path = PODS.format(namespace_name)
            eventually(
                lambda: clean_cluster.call("POST", path + "?dryRun=All", pod("any", namespace_name, {})).status == 403
            )
            assert_admitted(clean_cluster, namespace_name, "good")
            eventually(lambda: all("is not a ServiceAccount" in one.log() for one in (controller, server)))
            found = clean_cluster.api("GET", WEBHOOKS.format("validating"))["metadata"]["annotations"][
                "catflap.dev/accounts"
            ]
            assert found == '["catflap-admin"]'

    @contextmanager
    def started(self, folder: Path, cluster: Cluster, command: list[str], port: int) -> Iterator[Program]:
        """Run one of the commands in a folder of its own; only ports, HOST and the kubeconfig are replaced."""
        assert command[0] == "catflap"
        here = {
            "tls": str(folder / "tls"),
            "policy.yaml": str(folder / "policy.yaml"),
            "tls/ca.crt": str(folder / "tls" / "ca.crt"),
        }
        words = [here.get(word, word) for word in command[1:]]
        words = [str(cluster.kubeconfig) if word == "~/.kube/config" else word for word in words]
        words = [word.replace("HOST", "127.0.0.1").replace("8443", str(port)) for word in words]
        if "--status-listen" in words:
            at = words.index("--status-listen")
            del words[at : at + 2]
        verb = words.pop(0)
        # The server is ready once the controller has created its secret path.
        with program(folder / verb, verb, *words, port=port, ready=verb == "controller") as found:
            yield found

    def test_registration_prints_what_kubectl_takes(self, clean_cluster: Cluster, tmp_path: Path) -> None:
        """Return the options for a registration by hand."""
        issue(tmp_path, "localhost")
        (tmp_path / "policy.yaml").write_text("apiVersion: catflap.dev/v1\nkind: GuardPolicy\n", encoding="utf-8")
        argv = [sys.executable, "-m", "webhook", "registration", "-c", "policy.yaml"]
        argv += ["--url", "https://localhost:8443", "--ca", "tls/ca.crt", "--account", "-"]
        environment = clean_cluster.environment()
        done = subprocess.run(argv, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        assert '"catflap-admin"' in done.stdout
        clean_cluster.kubectl("apply", "--dry-run=server", "--filename", "-", stdin=done.stdout)
