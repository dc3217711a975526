"""catflap installed by its chart on a cluster that has no catflap before and after, and what Pods meet there."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.releases import unregister
from tests.cluster.installation import CHART, NAMESPACE, WEBHOOKS, beside_the_cluster, eventually
from tests.cluster.manifests import GOOD, pod
from tests.controlplane.cluster import Cluster, running
from tests.controlplane.tools import Tools
from webhook.tls.certificate_folder import TlsFolder, ensure_certificate

OURS = ("--namespace", NAMESPACE)
STATE = f"/api/v1/namespaces/{NAMESPACE}/configmaps/catflap-registration"
NAME = f"catflap.{NAMESPACE}.svc"
PODS = "/api/v1/namespaces/{}/pods"


@pytest.fixture(scope="module")
def alone(tools: Tools) -> Iterator[Cluster]:
    """A cluster of its own, as what is tried here is what catflap does to all others."""
    with running(tools) as cluster:
        yield cluster


@pytest.fixture
def fresh(alone: Cluster) -> Iterator[Cluster]:
    """The cluster without catflap, before and after."""
    yield alone
    unregister(alone)
    alone.helm("uninstall", "catflap", *OURS, "--ignore-not-found", "--no-hooks")
    alone.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")


def install(cluster: Cluster, folder: Path, port: int, **values: Any) -> None:
    """`helm install` as README says, but for where the processes run."""
    outside = {**beside_the_cluster(folder, port), "policy": {"network": {"engine": "kubernetes"}}}
    (folder / "values.yaml").write_text(yaml.safe_dump({**outside, **values}), encoding="utf-8")
    cluster.helm("install", "catflap", str(CHART), *OURS, "--create-namespace", "--values", str(folder / "values.yaml"))


def issue(folder: Path, *hosts: str) -> None:
    """A CA, and a certificate for some hosts."""
    ensure_certificate(TlsFolder(folder / "tls"), list(hosts), datetime.now(UTC))


def assert_open(cluster: Cluster, space: str) -> None:
    """Labelled and unlabelled Pods get in, as they did before."""
    for labels in (GOOD, {}):
        answer = cluster.call("POST", PODS.format(space) + "?dryRun=All", pod("any", space, labels))
        assert answer.status == 201, answer.body


def assert_guarded(cluster: Cluster, space: str, name: str = "good") -> None:
    """It has registered by itself: a labelled Pod gets in, an unlabelled one does not."""
    eventually(lambda: cluster.call("GET", WEBHOOKS.format("mutating")).status == 200)
    path = PODS.format(space) + "?dryRun=All"
    eventually(lambda: cluster.call("POST", path, pod("any", space, {})).status == 403)
    assert_admitted(cluster, space, name)


def assert_admitted(cluster: Cluster, space: str, name: str) -> None:
    """A labelled Pod gets in; "refused for now" is no refusal: on a busy machine the gate may need more than its two seconds."""
    body = pod(name, space, GOOD)
    answer = eventually(lambda: cluster.call("POST", PODS.format(space), body), until=lambda seen: seen.status != 503)
    assert answer.status == 201, answer.body


def status(cluster: Cluster) -> str:
    """What the notes of the chart tell people to look at."""
    output = "jsonpath={.data.status}"
    return cluster.kubectl(*OURS, "get", "configmap", "catflap-registration", "--output", output).stdout
