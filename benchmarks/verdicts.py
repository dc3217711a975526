"""Generate 2,000 objects and compare the verdicts of `catflap check`, of the server and of the ValidatingAdmissionPolicy.

    python -m benchmarks.verdicts [--count 2000] [--seed 1]

Ends with status 1 where the three differ on one.
"""

from collections import Counter
from random import Random

from benchmarks.harness import argument_parser, exit_with_status, installation
from tests.cluster.manifests import namespace
from tests.cluster.verdict_comparison import RICH, SPACES, compare_verdicts, random_object


def main() -> None:
    """Check all objects, then print the numbers of admitted, refused and differing ones."""
    parser = argument_parser(__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with installation(options.engine) as catflap:
        for space in SPACES:
            catflap.apply(namespace(space))
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "store", "namespace": space}}
            catflap.apply(account, check=True)
        random = Random(options.seed)  # noqa: S311 (no secret)
        things = [random_object(random) for _ in range(options.count)]
        found = list(compare_verdicts(catflap, RICH, things))
    counted = Counter("admitted" if one.server else "refused" for one in found)
    print(f"{len(found)} objects of {len({thing['kind'] for thing in things})} kinds: {dict(counted)}")
    exit_with_status([f"{one}: {thing}" for thing, one in zip(things, found, strict=True) if not one.agree])


if __name__ == "__main__":
    main()
