"""SIGKILL under load: a controller of two, the serving worker, the whole serving container, gunicorn's arbiter alone.

    python -m benchmarks.killing [--times 5] [--alone 4]

Namespaces with a first Pod each are made, and policies are deleted by break-glass, all the while; each kind of process
is killed several times and started again, a controller after `--alone` seconds, the server at once, as a kubelet would. Pods
are tried again until they go in. Ends with status 1 where a Pod was stored before its policy, or where a deleted policy was
away for a second or more.
"""

import time
from collections.abc import Sequence

from benchmarks.harness import argument_parser, exit_with_status, installation, latency_summary
from tests.cluster.process_kills import KILLS, Gap, under_load

PROMISED_SECONDS = 1.0
RACERS = 2
DELETED = 2


def main() -> None:
    """Kill each kind of process in turn; then print the figures."""
    parser = argument_parser(__doc__)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--alone", type=float, default=4.0)
    options = parser.parse_args()
    broken: list[str] = []
    with (
        installation("kubernetes", controllers=2) as catflap,
        under_load(catflap, racers=RACERS, deleted=[f"deleted-{number}" for number in range(DELETED)]) as load,
    ):
        for what, kill in KILLS.items():
            began = time.monotonic()
            for _ in range(options.times):
                kill(catflap, alone=options.alone)
            gaps, waits = since(load.gaps, began), since(load.waits, began)
            print(f"{what}, {options.times} times")
            print(f"  policies deleted and restored: {len(gaps)}; {latency_summary(gaps)}")
            print(f"  Pods: {len(waits)}; until they went in: {latency_summary(waits)}")
            if max(gaps) >= PROMISED_SECONDS:
                broken.append(f"restored within a second, {what} killed")
    lost = load.races.count(False)
    print(f"Pods stored before their policy: {lost} of {len(load.races)}")
    exit_with_status([*broken, "no Pod before its policy"] if lost else broken)


def since(gaps: Sequence[Gap], began: float) -> list[float]:
    """Return the durations of those that began since then."""
    return [gap.seconds for gap in gaps if gap.at >= began]


if __name__ == "__main__":
    main()
