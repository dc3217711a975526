"""What stands in the way of a first registration harms nobody: Pods get in as before, people are told why, and once it is gone it registers."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster.alone import (
    NAME,
    PODS,
    alone,
    assert_admitted,
    assert_guarded,
    assert_open,
    fresh,
    install,
    issue,
    status,
)
from tests.cluster.installation import (
    CHART,
    NAMESPACE,
    WEBHOOKS,
    controlled,
    eventually,
    served,
)
from tests.cluster.manifests import namespace, pod
from tests.controlplane.client import MERGE
from tests.controlplane.cluster import Cluster
from tests.programs import Program, free_port
from tests.programs import running as program

__all__ = ["alone", "fresh"]

POLICY = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-policy"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/catflap"
EVENTS = f"/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events"
QUIET_SECONDS = 2.0  # longer than the controller takes to see a change


def told(cluster: Cluster, kind: str, reason: str) -> list[str]:
    """The notes of the Events of a reason on a kind of object."""
    found = cluster.api("GET", EVENTS)["items"]
    return [one["note"] for one in found if (one["regarding"]["kind"], one["reason"]) == (kind, reason)]


def test_with_an_image_that_cannot_be_pulled(fresh: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """The servers' Deployment has no ready replica, and none answers; no node runs its Pods here, so a hand sets their status."""
    port = free_port()
    issue(tmp_path, NAME, "localhost")
    fresh.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(fresh, tmp_path, port, server={"enabled": True, "replicas": 2})
    options = ["--server-deployment", f"{NAMESPACE}/catflap:2"]
    with controlled(fresh, tmp_path, port, ready=False, options=options) as controller:
        needed = f"0 of the 2 replicas that are needed of Deployment {NAMESPACE}/catflap are ready"
        eventually(lambda: status(fresh), until=lambda seen: needed in seen)
        eventually(lambda: told(fresh, "Deployment", "NotRegistered"))
        eventually(lambda: needed in controller.log())
        assert controller.status("/readyz").status == 503
        assert_open(fresh, namespace_name)
        with served(fresh, tmp_path, port, ready=False):
            set_ready(fresh, 1)
            eventually(lambda: status(fresh), until=lambda seen: "1 of the 2 replicas" in seen)
            assert_open(fresh, namespace_name)
            set_ready(fresh, 2)
            assert_guarded(fresh, namespace_name)
            eventually(lambda: status(fresh) == "registered")
            eventually(lambda: controller.status("/readyz").status == 200)
            set_ready(fresh, 0)
            eventually(lambda: ready_replicas(fresh) == 0)
            time.sleep(QUIET_SECONDS)
            assert fresh.call("GET", WEBHOOKS.format("validating")).status == 200  # it stays, whoever is ready
            assert_guarded(fresh, namespace_name, "again")


def set_ready(cluster: Cluster, count: int) -> None:
    """Have so many Pods of the servers be ready, as their kubelets would."""
    path = PODS.format(NAMESPACE)
    pods = eventually(lambda: servers(cluster), until=lambda seen: len(seen) >= 2)
    for number, name in enumerate(pods):
        condition = {"type": "Ready", "status": "True" if number < count else "False"}
        status = {"status": {"phase": "Running", "conditions": [condition]}}
        cluster.api("PATCH", f"{path}/{name}/status", status, content_type=MERGE)


def servers(cluster: Cluster) -> list[str]:
    """The names of the servers' Pods."""
    found = cluster.api("GET", PODS.format(NAMESPACE) + "?labelSelector=role%3Dserver")["items"]
    return sorted(one["metadata"]["name"] for one in found)


def ready_replicas(cluster: Cluster) -> int:
    """What the Deployment says."""
    return int(cluster.api("GET", DEPLOYMENT)["status"].get("readyReplicas", 0))


def test_with_a_wrong_policy(fresh: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """Such as a typo in a mode, past the chart's schema."""
    port = free_port()
    issue(tmp_path, NAME, "localhost")
    fresh.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(fresh, tmp_path, port)
    good = fresh.api("GET", POLICY)["data"]["policy.yaml"]
    fresh.api(
        "PATCH", POLICY, {"data": {"policy.yaml": good.replace("mode: enforce", "mode: enforec")}}, content_type=MERGE
    )
    with (
        served(fresh, tmp_path, port, ready=False),
        controlled(fresh, tmp_path, port, ready=False) as controller,
    ):
        notes = eventually(lambda: told(fresh, "ConfigMap", "PolicyFileRefused"))
        assert "mode: " in notes[0]
        eventually(lambda: "the policy file is refused" in controller.log())
        assert fresh.call("GET", WEBHOOKS.format("validating")).status == 404
        assert_open(fresh, namespace_name)
        fresh.api("PATCH", POLICY, {"data": {"policy.yaml": good}}, content_type=MERGE)
        assert_guarded(fresh, namespace_name)


def test_with_a_certificate_for_another_name(fresh: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """The API server would not believe it; a right one is served without a restart."""
    port = free_port()
    issue(tmp_path, "elsewhere.example.com")
    fresh.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(fresh, tmp_path, port)
    with (
        served(fresh, tmp_path, port, ready=False) as server,
        controlled(fresh, tmp_path, port, ready=False) as controller,
    ):
        server.wait_for("/healthz")
        eventually(lambda: status(fresh), until=lambda seen: f"give it the name {NAME}" in seen)
        notes = eventually(lambda: told(fresh, "ConfigMap", "NotRegistered"), until=lambda seen: NAME in " ".join(seen))
        assert any("not registered yet, no request is judged" in note for note in notes)
        eventually(lambda: f"give it the name {NAME}" in controller.log())
        assert_open(fresh, namespace_name)
        for path in (tmp_path / "tls").iterdir():
            path.unlink()
        issue(tmp_path, NAME, "localhost")
        assert_guarded(fresh, namespace_name)


def test_with_another_ca(fresh: Cluster, tmp_path: Path, namespace_name: str) -> None:
    """Than the one that signed the servers' certificate."""
    port, other = free_port(), tmp_path / "other"
    issue(tmp_path, NAME, "localhost")
    issue(other, NAME)
    fresh.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    install(fresh, tmp_path, port)
    with (
        served(fresh, tmp_path, port, ready=False),
        controlled(fresh, other, port, ready=False),
    ):
        eventually(lambda: status(fresh), until=lambda seen: "register the CA that signed it" in seen)
        assert_open(fresh, namespace_name)
        (other / "tls" / "ca.crt").write_bytes((tmp_path / "tls" / "ca.crt").read_bytes())
        assert_guarded(fresh, namespace_name)


class TestReadme:
    """The commands of docs/without-a-chart.md, run as they are written."""

    @staticmethod
    def commands() -> list[list[str]]:
        """Each command of that page, in words."""
        text = (CHART.parents[1] / "docs" / "without-a-chart.md").read_text("utf-8")
        block = text.partition("```console\n")[2].partition("```")[0]
        return [
            line.removeprefix("$ ").split() for line in block.replace("\\\n", " ").splitlines() if line.startswith("$")
        ]

    def test_a_labelled_pod_gets_in_and_an_unlabelled_one_does_not(
        self, fresh: Cluster, tmp_path: Path, namespace_name: str
    ) -> None:
        """Both processes run as the administrator of the kubeconfig; its HOST is this machine."""
        (tmp_path / "policy.yaml").write_text("apiVersion: catflap.dev/v1\nkind: GuardPolicy\n", encoding="utf-8")
        create, serve, control = self.commands()
        fresh.kubectl(*create[1:])
        with ExitStack() as stack:
            port = free_port()
            server = stack.enter_context(self.started(tmp_path, fresh, serve, port))
            server.wait_for("/healthz")  # one that has ended shows its log here
            controller = stack.enter_context(self.started(tmp_path, fresh, control, port))
            fresh.api("POST", "/api/v1/namespaces", namespace(namespace_name))
            path = PODS.format(namespace_name)
            eventually(lambda: fresh.call("POST", path + "?dryRun=All", pod("any", namespace_name, {})).status == 403)
            assert_admitted(fresh, namespace_name, "good")
            eventually(lambda: all("is no ServiceAccount" in one.log() for one in (controller, server)))
            found = fresh.api("GET", WEBHOOKS.format("validating"))["metadata"]["annotations"]["catflap.dev/accounts"]
            assert found == '["catflap-admin"]'

    @contextmanager
    def started(self, folder: Path, cluster: Cluster, command: list[str], port: int) -> Iterator[Program]:
        """One of the commands, in a folder of its own paths; only ports, HOST and the kubeconfig are this machine's."""
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
        # The server is ready once the controller has made its secret path.
        with program(folder / verb, verb, *words, port=port, ready=verb == "controller") as found:
            yield found

    def test_registration_prints_what_kubectl_takes(self, fresh: Cluster, tmp_path: Path) -> None:
        """For who registers it by hand."""
        issue(tmp_path, "localhost")
        (tmp_path / "policy.yaml").write_text("apiVersion: catflap.dev/v1\nkind: GuardPolicy\n", encoding="utf-8")
        argv = [sys.executable, "-m", "webhook", "registration", "-c", "policy.yaml"]
        argv += ["--url", "https://localhost:8443", "--ca", "tls/ca.crt", "--account", "-"]
        environment = fresh.environment()
        done = subprocess.run(argv, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        assert '"catflap-admin"' in done.stdout
        fresh.kubectl("apply", "--dry-run=server", "--filename", "-", stdin=done.stdout)
