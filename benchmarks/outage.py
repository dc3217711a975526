"""Stop catflap, create namespaces and delete policies meanwhile, then start it again.

    python -m benchmarks.outage [--created 200] [--deleted 50] [--engine calico]

For this run the webhook configurations fail open, so that everything goes in unseen. Ends with status 1 where a namespace is
still open after one pass, or where a repair is not on record as one.
"""

from benchmarks.harness import argument_parser, exit_with_status, installation
from tests.cluster.load_scenarios import create, outage
from tests.cluster.policies import is_isolated, wait_until_isolated

# Far below the resync of 300 s: the first pass must repair everything.
ONE_PASS_SECONDS = 30.0


def main() -> None:
    """Stop, delete, create and start; then print the figures."""
    parser = argument_parser(__doc__)
    parser.add_argument("--created", type=int, default=200)
    parser.add_argument("--deleted", type=int, default=50)
    options = parser.parse_args()
    with installation(options.engine) as catflap:
        earlier = [f"earlier-{number}" for number in range(options.deleted)]
        meanwhile = [f"meanwhile-{number}" for number in range(options.created)]
        create(catflap, earlier)
        wait_until_isolated(catflap, earlier, options.engine)
        recovery = outage(catflap, earlier, meanwhile, engine=options.engine)
        broken = [f"{space} is open" for space in (*earlier, *meanwhile) if not is_isolated(catflap, space)]
    broken += [f"the repair of {space} on record" for space in earlier if space not in recovery.recorded]
    print(f"namespaces made meanwhile: {options.created}, policies deleted meanwhile: {options.deleted}")
    print(f"all right {recovery.seconds:.1f} s after the controller was started")
    print(f"on record as restored: the policies of {len(recovery.recorded)} namespaces")
    if recovery.seconds > ONE_PASS_SECONDS:
        broken.append(f"all right within {ONE_PASS_SECONDS:.0f} s")
    exit_with_status(broken)


if __name__ == "__main__":
    main()
