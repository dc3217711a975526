"""Delete the default-deny of namespaces repeatedly, and measure the time until it is restored.

    python -m benchmarks.deletions [--spaces 5] [--times 50] [--engine calico]

Members of the break-glass group delete the default-deny of several namespaces at once, in each many times in a row,
while two controllers run. A watch reports when it is restored. Ends with status 1 where one was not restored, or where
p99 is a second or more.
"""

from benchmarks.harness import argument_parser, exit_with_status, installation, latency_summary, quantile
from tests.cluster.barriers import wait_until_quiet
from tests.cluster.load_scenarios import create, parallel_deletions, restored
from tests.cluster.policies import is_isolated, wait_until_isolated

PROMISED_SECONDS = 1.0


def main() -> None:
    """Delete, wait and delete again; then print the figures."""
    parser = argument_parser(__doc__)
    parser.add_argument("--spaces", type=int, default=5)
    parser.add_argument("--times", type=int, default=50)
    options = parser.parse_args()
    with installation(options.engine, controllers=2) as catflap:
        spaces = [f"deleted-{number}" for number in range(options.spaces)]
        create(catflap, spaces)
        wait_until_isolated(catflap, spaces, options.engine)
        took = parallel_deletions(catflap, spaces, times=options.times, engine=options.engine)
        wait_until_quiet(catflap)  # the record of the last write follows the write
        controllers = (catflap.controller, *catflap.replicas)
        recorded = sum(restored(record) for program in controllers for record in program.records())
        broken = [f"{space} is open" for space in spaces if not is_isolated(catflap, space)]
    print(f"restored: {len(took)} of {options.spaces * options.times}; {latency_summary(took)}")
    print(f"recorded as restored: {recorded}")
    if recorded != len(took):
        broken.append("each repair on record")
    if quantile(took, 0.99) >= PROMISED_SECONDS:
        broken.append("p99 under a second")
    exit_with_status(broken)


if __name__ == "__main__":
    main()
