"""Install catflap in mode enforce in a cluster with 200 workloads that violate its rules, then drain, evict, scale and restart them.

    python -m benchmarks.violators [--count 200]

Ends with status 1 where a Pod does not come back, or came back unrecorded.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import argument_parser, exit_with_status
from tests.cluster.installation import Installation
from tests.cluster.noncompliant_workloads import (
    LEGACY,
    NODE,
    PATIENCE_SECONDS,
    bind_pods,
    cluster_with_violations,
    excepted_decisions,
    pods,
    wait_for_new_pods,
)
from tests.controlplane.progress import Progress
from tests.controlplane.tools import ensure


def main() -> None:
    """Drain a node, then scale up and restart every Deployment."""
    parser = argument_parser(__doc__)
    parser.add_argument("--count", type=int, default=200)
    told = parser.parse_args()
    broken: list[str] = []
    with (
        TemporaryDirectory() as folder,
        cluster_with_violations(ensure(Progress(sys.stderr)), Path(folder), told.count) as catflap,
    ):
        bind_pods(catflap)
        drain = ("drain", NODE, "--force", "--grace-period=0")
        scale = ("--namespace", LEGACY, "scale", "deployment", "--all", "--replicas=2")
        restart = ("--namespace", LEGACY, "rollout", "restart", "deployment")
        # No Pod becomes ready here, so a rolling update creates only its surge: one Pod per Deployment.
        for what, arguments_ in (("drain", drain), ("scale", scale), ("restart", restart)):
            tell(catflap, what, arguments_, told.count, broken)
    exit_with_status(broken)


def tell(catflap: Installation, what: str, arguments_: tuple[str, ...], fresh: int, broken: list[str]) -> None:
    """Run one command, and measure the time until that many new Pods exist."""
    before, on_record = {one["metadata"]["uid"] for one in pods(catflap.cluster)}, len(excepted_decisions(catflap))
    began = time.monotonic()
    done = catflap.cluster.kubectl(*arguments_, check=False)
    if done.returncode:
        broken.append(f"{what}: {done.stderr}")
        return
    try:
        found = wait_for_new_pods(catflap, before, fresh)
    except AssertionError:
        broken.append(f"{what}: not all of {fresh} Pods came within {PATIENCE_SECONDS:.0f} s")
        return
    told = len(excepted_decisions(catflap)) - on_record
    print(f"{what}: {len(found)} new Pods after {time.monotonic() - began:.1f} s, {told} passed on record")
    if told < fresh:
        broken.append(f"{what}: {told} on record for {fresh} Pods")


if __name__ == "__main__":
    main()
