"""Create many namespaces as fast as possible; measure the time until the last one is isolated, and the requests to the API server.

    python -m benchmarks.burst [--count 500] [--engine calico]

Once with one controller and once with two. Requests are counted from the API server's own audit log, by account, verb
and resource. Ends with status 1 where a namespace is left open, or where one controller alone makes more than the two
writes that a namespace needs.
"""

from collections.abc import Mapping

from benchmarks.harness import argument_parser, exit_with_status, installation
from tests.cluster.api_requests import ApiRequest, catflap_requests, count_requests
from tests.cluster.barriers import wait_until_quiet
from tests.cluster.installation import Installation
from tests.cluster.load_scenarios import another_controller, burst
from tests.cluster.policies import BOTH, stored_policies

POLICIES = len(BOTH)


def main() -> None:
    """Run two bursts and print a table for each."""
    parser = argument_parser(__doc__)
    parser.add_argument("--count", type=int, default=500)
    options = parser.parse_args()
    broken: list[str] = []
    with installation(options.engine) as catflap:
        alone = storm(catflap, options.engine, "one", options.count, broken)
        if sum(number for asked, number in alone.items() if asked.writes) > POLICIES * options.count:
            broken.append(f"{POLICIES} writes a namespace with one controller")
        with another_controller(catflap):
            storm(catflap, options.engine, "two", options.count, broken)
    exit_with_status(broken)


def storm(
    catflap: Installation, engine: str, controllers: str, count: int, broken: list[str]
) -> Mapping[ApiRequest, int]:
    """Run one burst, print its figures, and return its requests."""
    spaces = [f"burst-{controllers}-{number}" for number in range(count)]
    wait_until_quiet(catflap)
    begin = catflap.cluster.audit_size()
    took = burst(catflap, spaces, engine=engine)
    wait_until_quiet(catflap)
    print(f"\ncontrollers: {controllers}; {count} namespaces made in {took.created:.1f} s")
    print(f"the last one closed {took.closed:.1f} s after the first was asked for")
    requests = count_requests(catflap_requests(catflap, after=begin))
    print(f"{'account':<20} {'verb':<8} {'resource':<16} {'granted':<8} {'all':>6} {'a namespace':>12}")
    for asked, number in sorted(requests.items()):
        granted = "yes" if asked.granted else "no"
        words = f"{asked.account:<20} {asked.verb:<8} {asked.resource:<16} {granted:<8}"
        print(f"{words} {number:>6} {number / count:>12.2f}")
    broken += [f"{space} is open" for space in spaces if stored_policies(catflap, engine, space) != BOTH]
    return requests


if __name__ == "__main__":
    main()
