"""Tests the harness: the control plane is real, ends with the tests, and explains why it cannot start."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.client import ApiError
from tests.controlplane.cluster import Cluster, running
from tests.controlplane.leaked_processes import assert_gone, processes, python_process
from tests.controlplane.pki import Authority
from tests.controlplane.process_supervisor import ProcessSupervisor
from tests.controlplane.progress import Progress
from tests.controlplane.rejecting_webhook import REJECTION, rejecting_webhook
from tests.controlplane.server import Died, Server
from tests.controlplane.tools import Tools, ensure
from tests.controlplane.waiting import wait_until
from tests.ports import free_ports

NAMESPACES = "/api/v1/namespaces"
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

HOLD_A_CLUSTER = """
import sys, time
from tests.controlplane.cluster import running
from tests.controlplane.progress import Progress
from tests.controlplane.tools import ensure
with running(ensure(Progress(sys.stderr))) as cluster:
    print(cluster.supervisor.folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module", name="cluster")
def own_cluster(tools: Tools) -> Iterator[Cluster]:
    """Start a separate cluster: these tests remove Calico, and their namespaces must not be managed."""
    with running(tools) as started:
        yield started


class TestControllers:
    """The work of a control plane beyond storing objects."""

    def test_a_deployment_becomes_a_replica_set_and_pods(self, cluster: Cluster, namespace_name: str) -> None:
        """Pods are stored and stay Pending, as there is no node."""
        _create_namespace(cluster, namespace_name)
        cluster.kubectl("apply", "--namespace", namespace_name, "--filename", "-", stdin=json.dumps(_deployment()))
        pods = f"{NAMESPACES}/{namespace_name}/pods"
        wait_until(lambda: len(cluster.api("GET", pods)["items"]) == 2, what="two Pods")
        found = cluster.api("GET", pods)["items"]
        assert {pod["status"]["phase"] for pod in found} == {"Pending"}
        assert {pod["metadata"]["ownerReferences"][0]["kind"] for pod in found} == {"ReplicaSet"}
        creators = {
            event["user"]["username"] for event in _audited(cluster, namespace_name, resource="pods", verb="create")
        }
        assert creators == {"system:serviceaccount:kube-system:replicaset-controller"}

    def test_a_deleted_namespace_goes_with_its_contents(self, cluster: Cluster, namespace_name: str) -> None:
        """The namespace controller works."""
        _create_namespace(cluster, namespace_name)
        cluster.kubectl("delete", "namespace", namespace_name)
        assert cluster.call("GET", f"{NAMESPACES}/{namespace_name}").status == 404


class TestAsking:
    """The ways to access it."""

    def test_audit_log_has_who_what_and_why(self, cluster: Cluster, namespace_name: str) -> None:
        """Annotations are recorded, so the webhook's will be, too."""
        _create_namespace(cluster, namespace_name)
        cluster.kubectl("create", "secret", "generic", "x", "--namespace", namespace_name)
        [event] = _audited(cluster, namespace_name, resource="secrets", verb="create")
        assert event["user"]["username"] == "catflap-admin"
        assert event["user"]["groups"] == ["system:masters", "system:authenticated"]
        assert event["annotations"]["authorization.k8s.io/decision"] == "allow"
        assert event["userAgent"].startswith("kubectl/v1.")
        assert event["stage"] == "ResponseComplete"

    def test_a_user_may_what_rbac_says(self, cluster: Cluster, namespace_name: str) -> None:
        """A certificate carries the name and groups."""
        _create_namespace(cluster, namespace_name)
        jane = cluster.kubeconfig_for(user="jane", groups=(f"dev-{namespace_name}",))
        pods = ("get", "pods", "--namespace", namespace_name)
        assert 'User "jane" cannot list' in cluster.kubectl(*pods, kubeconfig=jane, check=False).stderr
        role = ("--clusterrole=view", f"--group=dev-{namespace_name}", "--namespace", namespace_name)
        cluster.kubectl("create", "rolebinding", "dev", *role)
        wait_until(lambda: cluster.kubectl(*pods, kubeconfig=jane, check=False).returncode == 0, what="RBAC to know")

    def test_a_service_account_is_itself(self, cluster: Cluster, namespace_name: str) -> None:
        """The API server issues its token."""
        _create_namespace(cluster, namespace_name)
        cluster.kubectl("create", "serviceaccount", "robot", "--namespace", namespace_name)
        robot = cluster.kubeconfig_for_service_account(namespace_name, "robot")
        who = json.loads(cluster.kubectl("auth", "whoami", "--output", "json", kubeconfig=robot).stdout)
        assert who["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace_name}:robot"

    def test_api_impersonates_and_raises(self, cluster: Cluster) -> None:
        """A rejection is an exception with the whole answer; `call` returns it."""
        with pytest.raises(ApiError, match='User "nobody" cannot list') as refused:
            cluster.api("GET", "/api/v1/secrets", as_user="nobody", as_groups=["some"])
        assert refused.value.status == 403
        assert refused.value.answer.body["details"]["kind"] == "secrets"

    def test_call_returns_warnings(self, cluster: Cluster) -> None:
        """Warnings are headers, and webhooks send them."""
        body = {
            "metadata": {"generateName": "x-"},
            "spec": {"containers": [{"name": "a", "image": "a", "nonsense": 1}]},
        }
        answer = cluster.call("POST", f"{NAMESPACES}/default/pods?dryRun=All&fieldValidation=Warn", body)
        assert answer.warnings == ('unknown field "spec.containers[0].nonsense"',)

    def test_kubectl_says_why_it_failed(self, cluster: Cluster) -> None:
        """Pytest prints kubectl's message."""
        with pytest.raises(subprocess.CalledProcessError) as failed:
            cluster.kubectl("get", "nonsense")
        assert failed.value.__notes__ == ['error: the server doesn\'t have a resource type "nonsense"\n']

    def test_helm_reaches_it(self, cluster: Cluster) -> None:
        """The chart's tests need no more."""
        assert json.loads(cluster.helm("list", "--all-namespaces", "--output", "json").stdout) == []


class TestFaults:
    """Operations of tests on the cluster."""

    def test_api_server_crashes_and_comes_back(self, tools: Tools) -> None:
        """It keeps port and data. It runs on a separate cluster, as it disturbs other tests."""
        with running(tools) as cluster:
            before = cluster.api("GET", f"{NAMESPACES}/kube-system")["metadata"]["uid"]
            cluster.stop_apiserver()
            with pytest.raises(OSError, match="refused"):
                cluster.api("GET", NAMESPACES)
            cluster.start_apiserver()
            assert cluster.api("GET", f"{NAMESPACES}/kube-system")["metadata"]["uid"] == before

    def test_a_lost_port_is_replaced(self, tools: Tools) -> None:
        """Another process may bind the port after it was chosen."""
        ports = list(free_ports(2))
        with socket.create_server(("127.0.0.1", ports[0])), running(tools, ports=ports) as cluster:
            assert cluster.server.endswith(f":{ports[1]}")

    def test_a_dead_server_shows_its_log(self, tools: Tools) -> None:
        """Return the end of the log, which has the reason."""
        with ProcessSupervisor() as supervisor:
            server = Server([tools.etcd, "--data-dir=/dev/null/x"], supervisor=supervisor, folder=supervisor.folder)
            server.start()
            wait_until(server.has_ended, what="its end")
            with pytest.raises(Died, match=r"(?s)^etcd ended with exit code 1; .*/dev/null/x: not a directory"):
                server.check()


class TestCalico:
    """Calico's API, which a test installs and removes."""

    def test_on_and_off(self, cluster: Cluster) -> None:
        """Both calls are idempotent, and take effect before they return."""
        for _ in range(2):
            cluster.install_calico()
            assert cluster.api("GET", "/apis/projectcalico.org/v3/networkpolicies")["items"] == []
        for _ in range(2):
            cluster.remove_calico()
            assert cluster.call("GET", "/apis/projectcalico.org").status == 404

    def test_ports_are_numbers_ranges_or_names(self, cluster: Cluster) -> None:
        """The generated schema has `object` here; this one has Calico's own type."""
        cluster.install_calico()
        done = _dry_run(cluster, _policy(ports=[80, "8080:8090", "http"]))
        assert done.stdout == "networkpolicy.projectcalico.org/x created (server dry run)\n", done.stderr

    @pytest.mark.parametrize(
        ("policy", "says"),
        [
            pytest.param({"types": ["ingress"]}, 'Unsupported value: "ingress"', id="wrong-case"),
            pytest.param(
                {"ports": [{"minPort": 80, "maxPort": 90}]},
                'unknown field "spec.ingress[0].destination.ports[0].minPort"',
                id="port-as-the-go-struct",
            ),
            pytest.param({"nonsense": 1}, 'unknown field "spec.nonsense"', id="unknown-field"),
        ],
    )
    def test_validation_is_strict(self, cluster: Cluster, policy: dict[str, Any], says: str) -> None:
        """It rejects what Calico would reject or ignore."""
        cluster.install_calico()
        refused = _dry_run(cluster, _policy(**policy))
        assert refused.returncode == 1
        assert says in refused.stderr


class TestWebhooks:
    """The API server reaches a webhook on this machine by the name of a Service."""

    def test_external_name_and_client_certificate(self, cluster: Cluster, namespace_name: str) -> None:
        """So the chart's webhook configurations work unchanged, and can identify the caller."""
        _create_namespace(cluster, namespace_name)
        service = {
            "metadata": {"name": "rejecting-webhook"},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        }
        cluster.api("POST", f"{NAMESPACES}/{namespace_name}/services", service)
        with rejecting_webhook(cluster, f"rejecting-webhook.{namespace_name}.svc") as (port, authority, callers):
            cluster.api("POST", WEBHOOKS, _registration(namespace_name, port, authority))
            path = f"{NAMESPACES}/{namespace_name}/configmaps?dryRun=All"
            wait_until(lambda: cluster.call("POST", path, {"metadata": {"name": "x"}}).refused, what="the webhook")
            with pytest.raises(ApiError, match=f'"refuse[.]catflap.test" denied the request: {REJECTION}') as refused:
                cluster.api("POST", path, {"metadata": {"name": "x"}})
            cluster.api("DELETE", f"{WEBHOOKS}/{namespace_name}")
        assert refused.value.status == 403
        assert set(callers) == {"system:kube-apiserver"}


class TestNothingIsLeft:
    """This holds however the parent process ends."""

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
    def test_a_cluster_ends_with_its_process(self, tools: Tools, number: signal.Signals) -> None:
        """Neither a process nor its folder remains."""
        programs = {tools.etcd, tools.kube_apiserver, tools.kube_controller_manager}
        with python_process(HOLD_A_CLUSTER) as (process, folder):
            assert {Path(line.split()[0]) for line in processes(folder)} > programs
            os.killpg(process.pid, number)  # the whole group, as a terminal does it
            assert_gone(folder)


class TestTools:
    """The source of the programs; what needs no cluster is in tests/controlplane."""

    def test_the_second_call_is_cheap(self, tools: Tools) -> None:
        """It reads a few small files and starts nothing."""
        started = time.monotonic()
        assert ensure(Progress(io.StringIO())) == tools
        assert time.monotonic() - started < 10  # a build takes minutes

    def test_given_programs_come_first(self, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The folder usually has three of them; the others come from the cache."""
        for program in (tools.etcd, tools.kube_apiserver, tools.kubectl):
            (tmp_path / program.name).symlink_to(program)
        monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
        given = ensure(Progress(io.StringIO()))
        assert {given.etcd.parent, given.kube_apiserver.parent, given.kubectl.parent} == {tmp_path}
        assert (given.helm, given.kube_controller_manager) == (tools.helm, tools.kube_controller_manager)


def _create_namespace(cluster: Cluster, name: str) -> None:
    """Create it, and wait for what the API server's admission requires of it."""
    cluster.api("POST", NAMESPACES, {"metadata": {"name": name}})
    account = f"{NAMESPACES}/{name}/serviceaccounts/default"
    wait_until(lambda: not cluster.call("GET", account).refused, what="the default service account")


def _deployment() -> dict[str, Any]:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def _policy(*, ports: list[Any] | None = None, **spec: Any) -> dict[str, Any]:
    ingress = {"action": "Allow", "protocol": "TCP", "destination": {"ports": ports or [80]}}
    whole = {"types": ["Ingress"], "selector": "all()", "ingress": [ingress]} | spec
    return {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": "x"}, "spec": whole}


def _dry_run(cluster: Cluster, manifest: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    how = ("--dry-run=server", "--validate=strict", "--namespace", "default", "--filename", "-")
    return cluster.kubectl("create", *how, stdin=json.dumps(manifest), check=False)


def _audited(cluster: Cluster, namespace: str, *, resource: str, verb: str) -> list[dict[str, Any]]:
    wanted = {"namespace": namespace, "resource": resource}
    return [
        event
        for event in cluster.audit_events()
        if event["verb"] == verb and wanted.items() <= event.get("objectRef", {}).items()
    ]


def _registration(namespace: str, port: int, authority: Authority) -> dict[str, Any]:
    bundle = base64.b64encode(authority.certificate).decode()
    webhook = {
        "name": "refuse.catflap.test",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {
            "service": {"namespace": namespace, "name": "rejecting-webhook", "port": port},
            "caBundle": bundle,
        },
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}],
    }
    return {"metadata": {"name": namespace}, "webhooks": [webhook]}
