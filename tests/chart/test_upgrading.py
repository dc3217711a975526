"""Tests the upgrade from the chart that registered catflap itself to the one whose controller does, and the way back; without a gap."""

import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import pytest
import yaml

from tests.chart.rendering import CHART, NAMESPACE
from tests.cluster.installation import WEBHOOKS, chart_values, eventually, run_controller, run_server
from tests.cluster.manifests import namespace, pod
from tests.controlplane.cluster import Cluster, running
from tests.controlplane.tools import Tools
from tests.ports import free_port
from webhook.tls.certificate_folder import TlsFolder, ensure_certificate

# The last commit whose chart has webhook configurations.
BEFORE: Final = "4a93d18"
OURS: Final = ("--namespace", NAMESPACE)
STATE: Final = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-registration"
SECONDS_BETWEEN_LOOKS: Final = 0.02


@pytest.fixture(scope="module")
def alone(tools: Tools) -> Iterator[Cluster]:
    """Start a separate cluster."""
    with running(tools) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def older_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the chart of that commit."""
    root = CHART.parents[1]
    archive = subprocess.run(
        ["git", "archive", BEFORE, "charts/catflap"], cwd=root, capture_output=True, check=False
    )  # fmt: skip
    if archive.returncode:
        pytest.skip(f"commit {BEFORE} is not in this checkout (a shallow clone, or no git): {archive.stderr.decode()}")
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder / "charts" / "catflap"


@contextmanager
def watched(cluster: Cluster, space: str) -> Iterator[list[str]]:
    """Yield a list of failures: an unlabelled Pod that catflap did not reject, or a missing registration."""
    faults: list[str] = []
    ended = Event()

    def look() -> None:
        while not ended.is_set():
            answer = cluster.call("POST", f"/api/v1/namespaces/{space}/pods?dryRun=All", pod("any", space, {}))
            if answer.status != 403 or "denied the request" not in answer.body.get("message", ""):
                faults.append(f"{answer.status} {answer.body.get('message')}")
            phases = ("validating", "mutating")
            faults.extend(f"no {one}" for one in phases if cluster.call("GET", WEBHOOKS.format(one)).status != 200)
            ended.wait(SECONDS_BETWEEN_LOOKS)

    thread = Thread(target=look)
    thread.start()
    try:
        yield faults
    finally:
        ended.set()
        thread.join()


def values(folder: Path, port: int) -> Path:
    """Return the values that both charts accept."""
    outside = {**chart_values(folder, port), "policy": {"network": {"engine": "kubernetes"}}}
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(outside), encoding="utf-8")
    return path


def configurations(cluster: Cluster) -> list[dict[str, Any]]:
    """Return both configurations as stored."""
    return [cluster.api("GET", WEBHOOKS.format(phase)) for phase in ("validating", "mutating")]


def test_an_upgrade_keeps_the_registration_and_an_uninstall_removes_it_first(
    alone: Cluster, older_chart: Path, tmp_path: Path, namespace_name: str
) -> None:
    """Helm hands the same objects over to the controller; then come two more upgrades, off and on again, and the removal."""
    port = free_port()
    ensure_certificate(TlsFolder(tmp_path / "tls"), [f"catflap.{NAMESPACE}.svc", "localhost"], datetime.now(UTC))
    given = ("--values", str(values(tmp_path, port)), *OURS)
    alone.helm("install", "catflap", str(older_chart), "--create-namespace", *given)
    alone.api("POST", "/api/v1/namespaces", namespace(namespace_name))
    with run_server(alone, tmp_path, port, trust=("--no-secret-path",)):  # which the older release does not know
        eventually(lambda: refused(alone, namespace_name))
        before = configurations(alone)
        with watched(alone, namespace_name) as faults:
            alone.helm("upgrade", "catflap", str(CHART), *given)
            handed_over = configurations(alone)
            with run_controller(alone, tmp_path, port):
                eventually(lambda: alone.api("GET", STATE)["data"].get("status") == "registered")
                eventually(lambda: "catflap.dev/release" in configurations(alone)[0]["metadata"]["annotations"])
                alone.helm("upgrade", "catflap", str(CHART), *given)
                alone.helm("upgrade", "catflap", str(CHART), *given)
                after = configurations(alone)
        assert faults == []
        uids = [[one["metadata"]["uid"] for one in both] for both in (before, handed_over, after)]
        assert uids[0] == uids[1] == uids[2]
        assert [one["webhooks"] for one in handed_over] == [one["webhooks"] for one in before]
        assert "--set registration.enabled=true" not in alone.helm("get", "notes", "catflap", *OURS).stdout
        with run_controller(alone, tmp_path, port, name="later"):
            alone.helm("upgrade", "catflap", str(CHART), *given, "--set", "registration.enabled=false")
            eventually(lambda: gone(alone))
            eventually(lambda: not refused(alone, namespace_name))
            # Within some seconds the controller reads that the release turned it off, and that no administrator
            # deleted it.
            eventually(
                lambda: "off" not in {alone.api("GET", STATE)["data"].get(one) for one in ("validating", "mutating")}
            )
            alone.helm("upgrade", "catflap", str(CHART), *given, "--set", "uninstall.removePolicies=false")
            eventually(lambda: refused(alone, namespace_name))
            seen = alone.audit_size()
            alone.helm("uninstall", "catflap", *OURS)
            assert gone(alone)
    deleted = [
        event["objectRef"]["resource"]
        for event in alone.audit_events(after=seen)
        if event["verb"] == "delete" and event["stage"] == "ResponseComplete" and "objectRef" in event
    ]
    last = max(at for at, resource in enumerate(deleted) if resource.endswith("webhookconfigurations"))
    assert last < deleted.index("services")
    assert alone.call("GET", STATE).status == 404


def refused(cluster: Cluster, space: str) -> bool:
    """Return whether an unlabelled Pod is rejected."""
    return bool(
        cluster.call("POST", f"/api/v1/namespaces/{space}/pods?dryRun=All", pod("any", space, {})).status == 403
    )


def gone(cluster: Cluster) -> bool:
    """Return whether neither configuration is stored."""
    return all(cluster.call("GET", WEBHOOKS.format(phase)).status == 404 for phase in ("validating", "mutating"))
