"""Edit the policy file a thousand times, half of the edits invalid, while Pods are created.

    python -m benchmarks.edits [--count 500] [--seed 1]

Half of the edits come while a bad file is refused where it is applied, the other half as if nobody had been there to
refuse it. Ends with status 1 where a broken file was in force, or a Pod without its answer or its record.
"""

import time

from benchmarks.harness import argument_parser, exit_with_status, installation
from tests.cluster.manifests import namespace
from tests.cluster.policy_edits import edits


def main() -> None:
    """Make all edits, then print the results."""
    parser = argument_parser(__doc__)
    parser.add_argument("--count", type=int, default=500, help="edits of each half")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with installation(options.engine) as catflap:
        catflap.apply(namespace("edited"))
        began = time.monotonic()
        found = edits(catflap, "edited", options.count, seed=options.seed)
        print(
            f"{2 * options.count} edits in {time.monotonic() - began:.1f} s; broken ones refused: {found.refused}, ",
            end="",
        )
        print(f"stored all the same: {found.slipped}; Pods by answer: {dict(found.answers)}")
    exit_with_status(found.wrong)


if __name__ == "__main__":
    main()
