"""Workloads that are older than catflap and violate its rules: they keep running, whatever happens to their Pods."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.cluster.installation import Installation, eventually, installed
from tests.cluster.manifests import deployment, namespace
from tests.controlplane.cluster import Cluster, running
from tests.controlplane.tools import Tools

LEGACY: Final = "legacy"
NODE: Final = "old-node"
PODS: Final = f"/api/v1/namespaces/{LEGACY}/pods"
DEPLOYMENTS: Final = f"/apis/apps/v1/namespaces/{LEGACY}/deployments"
PATIENCE_SECONDS: Final = 120.0


@contextmanager
def cluster_with_violations(tools: Tools, folder: Path, count: int) -> Iterator[Installation]:
    """Start a cluster with a number of Deployments without labels on a node, then install catflap in enforce mode."""
    with running(tools) as cluster:
        cluster.api("POST", "/api/v1/namespaces", namespace(LEGACY))
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
        cluster.api("POST", "/api/v1/nodes", node)
        for number in range(count):
            cluster.api("POST", DEPLOYMENTS, deployment(f"old-{number}", LEGACY, {}))
        eventually(lambda: len(pods(cluster)), until=lambda seen: seen == count, within=PATIENCE_SECONDS)
        time.sleep(1.5)  # creation times have whole seconds, and the same second counts as later
        with installed(cluster, folder) as catflap:
            catflap.configure()
            yield catflap


def pods(cluster: Cluster) -> list[dict[str, Any]]:
    """Return the Pods that are not terminating."""
    found = cluster.api("GET", PODS)["items"]
    return [one for one in found if "deletionTimestamp" not in one["metadata"]]


def bind_pods(catflap: Installation) -> None:
    """Bind every Pod, as a scheduler does."""
    for one in pods(catflap.cluster):
        if "nodeName" not in one["spec"]:
            name = one["metadata"]["name"]
            target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
            catflap.cluster.api("POST", f"{PODS}/{name}/binding", binding)


def wait_for_new_pods(catflap: Installation, before: set[str], count: int) -> set[str]:
    """Return the uids of the Pods once all of them are new."""
    return eventually(
        lambda: {one["metadata"]["uid"] for one in pods(catflap.cluster)} - before,
        until=lambda seen: len(seen) >= count,
        within=PATIENCE_SECONDS,
    )


def excepted_decisions(catflap: Installation) -> list[dict[str, Any]]:
    """Return the decisions on Pods and ReplicaSets that were admitted although they violate rules."""
    return [
        one
        for one in catflap.server.records()
        if one["type"] == "decision" and one["decision"] == "exempt" and one["objectRef"].get("namespace") == LEGACY
    ]
