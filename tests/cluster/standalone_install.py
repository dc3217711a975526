"""Installs catflap by its chart on a separate cluster, and checks which Pods are admitted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.releases import unregister
from tests.cluster.installation import CHART, NAMESPACE, WEBHOOKS, chart_values, eventually
from tests.cluster.manifests import GOOD, pod
from tests.controlplane.cluster import Cluster, running
from tests.controlplane.tools import Tools
from webhook.tls.certificate_folder import TlsFolder, ensure_certificate

OURS = ("--namespace", NAMESPACE)
STATE = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-registration"
NAME = f"catflap.{NAMESPACE}.svc"
PODS = "/api/v1/namespaces/{}/pods"


@pytest.fixture(scope="module")
def standalone_cluster(tools: Tools) -> Iterator[Cluster]:
    """Start a separate cluster, as these tests affect all other namespaces."""
    with running(tools) as cluster:
        yield cluster


@pytest.fixture
def clean_cluster(standalone_cluster: Cluster) -> Iterator[Cluster]:
    """Return the cluster without catflap, before and after a test."""
    yield standalone_cluster
    unregister(standalone_cluster)
    standalone_cluster.helm("uninstall", "catflap", *OURS, "--ignore-not-found", "--no-hooks")
    standalone_cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")


def install(cluster: Cluster, folder: Path, port: int, **values: Any) -> None:
    """Run `helm install` as the README describes it; only the processes run elsewhere."""
    outside = {**chart_values(folder, port), "policy": {"network": {"engine": "kubernetes"}}}
    (folder / "values.yaml").write_text(yaml.safe_dump({**outside, **values}), encoding="utf-8")
    cluster.helm("install", "catflap", str(CHART), *OURS, "--create-namespace", "--values", str(folder / "values.yaml"))


def issue(folder: Path, *hosts: str) -> None:
    """Create a CA, and a certificate for some hosts."""
    ensure_certificate(TlsFolder(folder / "tls"), list(hosts), datetime.now(UTC))


def assert_open(cluster: Cluster, space: str) -> None:
    """Assert that labelled and unlabelled Pods are admitted."""
    for labels in (GOOD, {}):
        answer = cluster.call("POST", PODS.format(space) + "?dryRun=All", pod("any", space, labels))
        assert answer.status == 201, answer.body


def assert_guarded(cluster: Cluster, space: str, name: str = "good") -> None:
    """Assert that catflap registered by itself: a labelled Pod is admitted, an unlabelled one is rejected."""
    eventually(lambda: cluster.call("GET", WEBHOOKS.format("mutating")).status == 200)
    path = PODS.format(space) + "?dryRun=All"
    eventually(lambda: cluster.call("POST", path, pod("any", space, {})).status == 403)
    assert_admitted(cluster, space, name)


def assert_admitted(cluster: Cluster, space: str, name: str) -> None:
    """Assert that a labelled Pod is admitted. A 503 counts as a retry: on a busy machine the gate may need more than its two seconds."""
    body = pod(name, space, GOOD)
    answer = eventually(lambda: cluster.call("POST", PODS.format(space), body), until=lambda seen: seen.status != 503)
    assert answer.status == 201, answer.body


def status(cluster: Cluster) -> str:
    """Return the status that the notes of the chart refer to."""
    output = "jsonpath={.data.status}"
    return cluster.kubectl(*OURS, "get", "configmap", "catflap-registration", "--output", output).stdout
