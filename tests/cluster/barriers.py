"""Barriers: they return once the controllers have handled what happened before, so a test can prove that something did not happen."""

import time
from typing import Final
from uuid import uuid4

from tests.cluster.api_requests import READS, catflap_requests
from tests.cluster.installation import Installation, eventually
from tests.cluster.manifests import namespace
from tests.cluster.policies import DENY, GROUPS, is_isolated, path, stored_policies
from tests.controlplane.cluster import Cluster

QUIET_SECONDS: Final = 2.0
# A new policy file can rewrite the policies of all namespaces that earlier tests created: some hundred.
BUSY_SECONDS: Final = 300.0


def wait_until_handled(catflap: Installation) -> None:
    """Return once the controller has handled each event before this call.

    Each watch delivers its events in order. A new namespace is isolated after the events of namespaces, and its deleted policy is restored
    after the events of policies.
    """
    sentinel = f"sentinel-{uuid4().hex[:12]}"
    catflap.cluster.api("POST", "/api/v1/namespaces", namespace(sentinel))
    eventually(lambda: is_isolated(catflap, sentinel), within=BUSY_SECONDS)
    [engine] = [one for one in GROUPS if DENY in stored_policies(catflap, one, sentinel)]
    catflap.emergency("DELETE", path(engine, sentinel, DENY))
    eventually(lambda: is_isolated(catflap, sentinel) and idle(catflap), within=BUSY_SECONDS)


def wait_until_granted(cluster: Cluster, resource: str, *groups: str) -> None:
    """Return once the API server knows a binding that gives groups the right to read a resource."""
    eventually(
        lambda: cluster.call("GET", resource, as_user="ann", as_groups=groups), until=lambda seen: not seen.refused
    )


def wait_until_quiet(catflap: Installation) -> None:
    """Return once no controller has work and catflap has tried no write for a while; fail after BUSY_SECONDS."""
    deadline = time.monotonic() + BUSY_SECONDS
    before = -1
    while (count := sum(one["verb"] not in READS for one in catflap_requests(catflap))) != before or not idle(catflap):
        assert time.monotonic() < deadline, f"{count} writes, and more after {BUSY_SECONDS} s"
        before = count
        time.sleep(QUIET_SECONDS)


def idle(catflap: Installation) -> bool:
    """Return whether the queue of every running controller is empty."""
    running = [one for one in (catflap.controller, *catflap.replicas) if one.process.poll() is None]
    return all(b"catflap_workqueue_depth 0.0" in one.status("/metrics").body for one in running)
