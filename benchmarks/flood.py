"""Revoke the permission for network policies while many namespaces wait; measure the cost of waiting, and the recovery.

    python -m benchmarks.flood [--count 500] [--engine calico]

The controller's memory is read after 20 s and after 60 s, its requests are counted from the API server's own audit log.
Then the right is given back. Ends with status 1 where memory or requests grow, where the failures are not counted, or
where a namespace is still open after the longest back-off.
"""

import time
from typing import NamedTuple

from benchmarks.harness import argument_parser, exit_with_status, installation
from tests.cluster.api_requests import catflap_requests
from tests.cluster.installation import Installation
from tests.cluster.load_scenarios import create, failures, resident_memory, without_right_to
from tests.cluster.policies import wait_until_isolated
from webhook.controller.work_queue import LONGEST_DELAY_SECONDS

EARLY_SECONDS = 20.0
LATE_SECONDS = 60.0
GROWTH_KIB = 10 * 1024
# The back-off doubles from 0.1 s: between 20 s and 60 s, each namespace is tried after 25.5 s and after 51.1 s.
LATE_TRIES = 2
REQUESTS_A_TRY = 2  # a look at the policy, which is refused, and one at the namespace
OTHER_REQUESTS = 100  # looks around, and watches begun again


class Sight(NamedTuple):
    """The state of the controller at one time, and the number of its requests since the last one."""

    resident_memory: int
    requests: int
    failures: int


def main() -> None:
    """Revoke the permission, observe, and grant it again."""
    parser = argument_parser(__doc__)
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    spaces = [f"flood-{number}" for number in range(options.count)]
    with installation(options.engine) as catflap:
        print(f"before: {resident_memory(catflap.controller) // 1024} MiB")
        with without_right_to(catflap, "networkpolicies") as given_back:
            begin = catflap.cluster.audit_size()
            create(catflap, spaces)
            began = time.monotonic()
            early = look(catflap, begin, began, EARLY_SECONDS)
            late = look(catflap, catflap.cluster.audit_size(), began, LATE_SECONDS)
            given_back.close()
            began = time.monotonic()
            wait_until_isolated(catflap, spaces, options.engine, within=2 * LONGEST_DELAY_SECONDS)
            took = time.monotonic() - began
        print(f"every namespace closed {took:.1f} s after the right was given back")
    promises = {
        "memory is bounded": late.resident_memory - early.resident_memory <= GROWTH_KIB,
        "requests are bounded by the back-off": (
            late.requests <= LATE_TRIES * REQUESTS_A_TRY * options.count + OTHER_REQUESTS
        ),
        "failures are counted": late.failures > early.failures >= options.count,
        "closed within the longest back-off": took <= LONGEST_DELAY_SECONDS,
    }
    exit_with_status([promise for promise, kept in promises.items() if not kept])


def look(catflap: Installation, begin: int, began: float, after: float) -> Sight:
    """Wait until `after` seconds have passed; then print and return the state."""
    waited = began + after - time.monotonic()
    time.sleep(waited)
    requests = len(catflap_requests(catflap, after=begin))
    sight = Sight(resident_memory(catflap.controller), requests, failures(catflap.controller))
    rate = f"{requests / waited:.1f} requests a second over the last {waited:.0f} s"
    print(f"after {after:.0f} s: {sight.resident_memory // 1024} MiB, {rate}, {sight.failures} failures counted")
    return sight


if __name__ == "__main__":
    main()
