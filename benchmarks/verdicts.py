"""Draw 2,000 objects and have each judged by the offline verb, by the server and by the API server's copy of the rules.

    python -m benchmarks.verdicts [--count 2000] [--seed 1]

Ends with status 1 where the three differ on one.
"""

from collections import Counter
from random import Random

from benchmarks.ground import arguments, ground, verdict
from tests.cluster.manifests import namespace
from tests.cluster.verdict_comparison import RICH, SPACES, compare_verdicts, random_object


def main() -> None:
    """All objects, then how many were admitted, refused and differed about."""
    parser = arguments(__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    with ground(told.engine) as catflap:
        for space in SPACES:
            catflap.apply(namespace(space))
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "store", "namespace": space}}
            catflap.apply(account, check=True)
        random = Random(told.seed)  # noqa: S311 (no secret)
        things = [random_object(random) for _ in range(told.count)]
        found = list(compare_verdicts(catflap, RICH, things))
    counted = Counter("admitted" if one.server else "refused" for one in found)
    print(f"{len(found)} objects of {len({thing['kind'] for thing in things})} kinds: {dict(counted)}")
    verdict([f"{one}: {thing}" for thing, one in zip(things, found, strict=True) if not one.agree])


if __name__ == "__main__":
    main()
