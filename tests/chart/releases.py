"""Releases that end with their test, for the next one to install its own on the same cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.chart.rendering import CHART, NAMESPACE
from tests.cluster.installation import WEBHOOKS
from tests.controlplane.cluster import Cluster

OURS = ("--namespace", NAMESPACE)


@contextmanager
def released(cluster: Cluster, *arguments: str) -> Iterator[None]:
    """`helm install`, and afterwards neither the release nor its namespace."""
    with taken_away(cluster):
        cluster.helm("install", "catflap", str(CHART), *OURS, "--create-namespace", *arguments)
        yield


def unregister(cluster: Cluster) -> None:
    """What the hook does that is not run."""
    for phase in ("validating", "mutating"):
        cluster.call("DELETE", WEBHOOKS.format(phase))


@contextmanager
def taken_away(cluster: Cluster) -> Iterator[None]:
    """Take away what the test has installed by other means."""
    try:
        yield
    finally:
        unregister(cluster)
        cluster.helm("uninstall", "catflap", *OURS, "--ignore-not-found", "--no-hooks")  # no Job can run here
        cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found")
