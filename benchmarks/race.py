"""Race for the first Pod of a namespace: count the Pods that were stored before their default-deny.

    python -m benchmarks.race [--count 1000] [--at-once 16] [--without-controller] [--engine calico]

Each round makes a namespace, a ServiceAccount of its own in it (so that nothing holds the Pod back), and at once a Pod;
then the resource versions of Pod and policy are compared: etcd numbers all writes of a cluster in their order. Runs
against a control plane of its own, with the chart's configurations and rights. Ends with status 1 if one race was lost.
"""

import argparse
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.cluster.installation import Installation, installed
from tests.cluster.manifests import GOOD, namespace, pod
from tests.controlplane.cluster import running
from tests.controlplane.progress import Progress
from tests.controlplane.tools import ensure
from tests.programs import stop

PATHS = {
    "kubernetes": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/catflap-default-deny",
    "calico": "/apis/projectcalico.org/v3/namespaces/{}/networkpolicies/catflap-default-deny",
}


class Round(NamedTuple):
    """One race: whether the policy was first, and the duration of the Pod's CREATE in milliseconds."""

    won: bool
    milliseconds: float


def race(catflap: Installation, space: str, engine: str) -> Round:
    """Create one namespace and its first Pod."""
    api = catflap.cluster.api
    api("POST", "/api/v1/namespaces", namespace(space))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "own"}}
    api("POST", f"/api/v1/namespaces/{space}/serviceaccounts", account)
    body = pod("first", space, GOOD)
    body["spec"] = {**body["spec"], "serviceAccountName": "own", "automountServiceAccountToken": False}
    begun = time.perf_counter()
    made = api("POST", f"/api/v1/namespaces/{space}/pods", body)
    took = time.perf_counter() - begun
    policy = api("GET", PATHS[engine].format(space))
    won = int(policy["metadata"]["resourceVersion"]) < int(made["metadata"]["resourceVersion"])
    return Round(won, took * 1000)


def main() -> None:
    """Run the races and print the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--without-controller", action="store_true")
    parser.add_argument("--engine", choices=PATHS, default="kubernetes")
    options = parser.parse_args()
    with TemporaryDirectory() as folder, running(ensure(Progress(sys.stderr))) as cluster:
        if options.engine == "calico":
            cluster.install_calico()
        with installed(cluster, Path(folder)) as catflap:
            catflap.configure({"network": {"engine": options.engine}})
            if options.without_controller:
                stop(catflap.controller.process)
            with ThreadPoolExecutor(options.at_once) as pool:
                rounds = list(
                    pool.map(lambda number: race(catflap, f"race-{number}", options.engine), range(options.count))
                )
            report(rounds, catflap)


def report(rounds: list[Round], catflap: Installation) -> None:
    """Print the figures, the lost races first."""
    lost = sum(not one.won for one in rounds)
    took = sorted(one.milliseconds for one in rounds)
    written = sum(one.get("reason", "").endswith("a Pod waits for it") for one in catflap.server.records())
    print(f"Pods stored before their policy: {lost} of {len(rounds)}")
    print(f"policies written by the gate: {written} of {len(rounds)}")
    print(
        f"Pod CREATE ms: median {statistics.median(took):.1f}, p99 {took[int(len(took) * 0.99)]:.1f}, max {took[-1]:.1f}"
    )
    raise SystemExit(1 if lost else 0)


if __name__ == "__main__":
    main()
