"""Scan a cluster of thousands of Pods, half of them with violations; measure the cost, and whether the scan delays repairs.

    python -m benchmarks.scanning [--spaces 50] [--deployments 20] [--pods 100]

Each namespace gets so many Deployments and bare Pods. The first scan writes a report for each, the second one must write
nothing; default-denies are deleted meanwhile, and must be back within a second. Ends with status 1 where a promise breaks.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.harness import argument_parser, exit_with_status, installation, latency_summary, quantile
from tests.cluster.api_requests import READS, catflap_requests
from tests.cluster.installation import Installation
from tests.cluster.load_scenarios import AT_ONCE, create, parallel_deletions, resident_memory
from tests.cluster.manifests import GOOD, deployment, pod
from tests.cluster.policies import wait_until_isolated
from tests.cluster.scans import REPORTS, metric, scan

PROMISED_SECONDS = 1.0
PATIENCE_SECONDS = 300.0
MOST_MEMORY_KIB = 100 * 1024


def main() -> None:
    """Fill the cluster, scan it twice, and print the figures."""
    parser = argument_parser(__doc__)
    parser.add_argument("--spaces", type=int, default=50)
    parser.add_argument("--deployments", type=int, default=20)
    parser.add_argument("--pods", type=int, default=100)
    options = parser.parse_args()
    with installation(options.engine) as catflap:
        catflap.cluster.install_openreports()
        spaces = [f"scanned-{number}" for number in range(options.spaces)]
        catflap.configure({"mode": "audit"})
        create(catflap, spaces)
        wait_until_isolated(catflap, spaces, options.engine)
        fill(catflap, spaces, options.deployments, options.pods)
        before = resident_memory(catflap.controller)
        first, second = measured(catflap, "first"), measured(catflap, "second")
        reports = len(catflap.cluster.api("GET", f"{REPORTS}/reports")["items"])
        grown = resident_memory(catflap.controller) - before
        with ThreadPoolExecutor(1) as pool:
            scanning = pool.submit(scan, catflap, within=PATIENCE_SECONDS)
            took = parallel_deletions(catflap, spaces[:5], times=20, engine=options.engine)
            scanning.result()
    print(f"{reports} reports; memory {before // 1024} MiB before, {grown // 1024} MiB more afterwards")
    print(f"repairs during scans: {latency_summary(took)}")
    promises = {
        "a report for each namespace": reports == options.spaces,
        "one write for each at first": first == options.spaces,
        "nothing to write where nothing is new": second == 0,
        "memory is bounded": grown < MOST_MEMORY_KIB,
        "repairs within a second": quantile(took, 0.99) < PROMISED_SECONDS,
    }
    exit_with_status([promise for promise, kept in promises.items() if not kept])


def fill(catflap: Installation, spaces: list[str], deployments: int, pods: int) -> None:
    """Create Deployments without Pods, and bare Pods; every other one has no role."""

    def post(one: dict[str, Any]) -> None:
        group, plural = ("/apis/apps/v1", "deployments") if one["kind"] == "Deployment" else ("/api/v1", "pods")
        space = one["metadata"]["namespace"]
        body = {**one["spec"], "automountServiceAccountToken": False} if one["kind"] == "Pod" else one["spec"]
        catflap.cluster.api("POST", f"{group}/namespaces/{space}/{plural}", {**one, "spec": body})

    made = []
    for space in spaces:
        for number in range(max(deployments, pods)):
            labels = GOOD if number % 2 else {"app": "web"}
            made += [deployment(f"web-{number}", space, labels, replicas=0)] if number < deployments else []
            made += [pod(f"bare-{number}", space, labels)] if number < pods else []
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(post, made))
    print(f"{len(made)} objects made in {time.monotonic() - began:.0f} s")


def measured(catflap: Installation, which: str) -> int:
    """Run one scan, print its figures, and return the number of its writes."""
    begin, cpu = catflap.cluster.audit_size(), metric(catflap.controller, "process_cpu_seconds_total")
    scan(catflap, within=PATIENCE_SECONDS)
    used = metric(catflap.controller, "process_cpu_seconds_total") - cpu
    seconds, objects = (metric(catflap.controller, f"catflap_scan_{name}") for name in ("seconds", "objects"))
    requests = catflap_requests(catflap, after=begin)
    writes = [one for one in requests if one["verb"] not in READS]
    print(
        f"{which} scan: {objects:.0f} objects in {seconds:.1f} s, {used:.1f} s of CPU, {len(requests) - len(writes)} reads"
    )
    print(f"{len(writes)} writes; resident {resident_memory(catflap.controller) // 1024} MiB")
    return len(writes)


if __name__ == "__main__":
    main()
