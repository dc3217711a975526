"""Releases that end with their test, so that the next test can install its own on the same cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.chart.rendering import CHART, NAMESPACE
from tests.cluster.installation import WEBHOOKS
from tests.controlplane.cluster import Cluster

OURS = ("--namespace", NAMESPACE)


@contextmanager
def released(cluster: Cluster, *arguments: str) -> Iterator[None]:
    """Run `helm install`, and at the end remove the release and its namespace."""
    with taken_away(cluster):
        cluster.helm("install", "catflap", str(CHART), *OURS, "--create-namespace", *arguments)
        yield


def unregister(cluster: Cluster) -> None:
    """Do what the hook does that is not run."""
    for phase in ("validating", "mutating"):
        cluster.call("DELETE", WEBHOOKS.format(phase))


@contextmanager
def taken_away(cluster: Cluster) -> Iterator[None]:
    """Remove what the test installed by other means."""
    try:
        yield
    finally:
        unregister(cluster)
        cluster.helm("uninstall", "catflap", *OURS, "--ignore-not-found", "--no-hooks")  # no Job can run here
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
