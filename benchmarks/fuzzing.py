"""Measure the cost of reviews of every checked kind, grown to the API server's limit in every known way.

    python -m benchmarks.fuzzing [--seconds 60] [--seed 1] [--case N] [--kind NAME] [--largest BYTES]

Each case is a review of one kind under one policy file, made from the seed and its number alone; `--case` tries one again. Times are
those of the processor, so that other work on the machine counts for nothing. Ends with status 1 where a review takes more than
100 ms on the event loop or 2 s in a thread, where its record or its answer has more than 64 KiB, or where deciding on it fails.
"""

import gc
import json
import resource
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice, takewhile
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic, thread_time
from typing import Final, NamedTuple
from unittest.mock import patch

from benchmarks.shapes.files import in_force
from benchmarks.shapes.objects import LARGEST, OWN_NAMESPACE, Kind, kinds, reviews
from webhook.audit.log import AuditLog
from webhook.config.apart import READER
from webhook.config.parse import parse
from webhook.config.store import PolicyStore
from webhook.metrics import Metrics
from webhook.model.decision import Phase
from webhook.server.cluster_lookup import OfflineLookup
from webhook.server.limits import MAX_BODY_BYTES
from webhook.server.review_handler import INTERNAL_ERROR, ReviewHandler
from webhook.server.review_steps import Deferred

SMALLEST: Final = 100
SHOWN: Final = 5
FAILED: Final = "failed"


class Cost(NamedTuple):
    """The cost of one review: processor time on the event loop and in threads, each with its longest step, and bytes."""

    loop: float
    thread: float
    record: int
    answer: int


LIMITS: Final = Cost(loop=0.1, thread=2.0, record=1 << 16, answer=1 << 16)


class Tried(NamedTuple):
    """One review and its cost."""

    case: int
    what: str
    size: int
    cost: Cost
    verdict: str

    @property
    def is_within(self) -> bool:
        """Return whether each cost is within its limit, and there is a decision."""
        return self.verdict != FAILED and all(cost <= limit for cost, limit in zip(self.cost, LIMITS, strict=True))

    def __str__(self) -> str:
        cost = self.cost
        return (
            f"{1000 * cost.loop:7.1f} ms loop {1000 * cost.thread:8.1f} ms thread {cost.record:7} B record {cost.answer:7} B answer"
            f"  {self.size:8} B  {self.verdict:11}  case {self.case}: {self.what}"
        )


class Bench:
    """The review handlers of several policies, each with its own log."""

    def __init__(self, folder: Path) -> None:
        self._handlers: dict[str, ReviewHandler] = {}
        self._logs = {name: folder / f"{name}.log" for name in in_force()}
        for name, text in in_force().items():
            policies = PolicyStore(on_refusal=complain)
            policies.offer(text)
            self._handlers[name] = ReviewHandler(
                policies=policies,
                audit=AuditLog(str(self._logs[name]), process="serve"),
                metrics=Metrics(),
                lookup=OfflineLookup(),
                own_namespace=OWN_NAMESPACE,
            )

    def tries(self, seed: int, numbers: Iterable[int], largest: int, named: str = "") -> Iterator[Tried]:
        """Each review of each case, of the kinds that have `named` in their name."""
        every, policies = [one for one in kinds() if named in str(one)], [*self._handlers]
        for number in numbers:
            random = Random(f"{seed}/{number}")  # noqa: S311 (a shape is no secret)
            kind, policy = every[number % len(every)], policies[number // len(every) % len(policies)]
            size = int(SMALLEST * (largest / SMALLEST) ** random.random())
            for body in reviews(random, kind, size):
                gc.freeze()  # the objects of this program are not among those that a server's garbage collector visits
                for phase in Phase if len(body) <= MAX_BODY_BYTES else ():
                    yield self._try(number, kind, policy, phase, body)

    def _try(self, number: int, kind: Kind, policy: str, phase: Phase, body: bytes) -> Tried:
        log = self._logs[policy]
        before, loop, threads = log.stat().st_size if log.exists() else 0, -thread_time(), [0.0]
        answered = self._handlers[policy].handle(phase, body)
        loop += thread_time()
        while isinstance(answered, Deferred):
            begun = thread_time()
            with patch.object(
                READER, "read", lambda text, _seconds: parse(text)
            ):  # in this thread, where its time counts
                answered = answered.complete()
            threads.append(thread_time() - begun)
        record = max(map(len, tail(log, before)), default=0)
        cost = Cost(loop, max(threads), record, len(answered.body))
        return Tried(number, f"{kind} {phase} under {policy}", len(body), cost, verdict(answered.status, answered.body))

    def close(self) -> None:
        """End all logs in order."""
        for handler in self._handlers.values():
            handler.close()


def complain(bad: Exception) -> None:
    """A policy of the benchmark is invalid."""
    raise bad


def tail(log: Path, begin: int) -> list[bytes]:
    """Return the lines of a log after an offset."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().splitlines()


def verdict(status: int, body: bytes) -> str:
    """Return the result of a review as one word."""
    if INTERNAL_ERROR.message.encode() in body:
        return FAILED
    response: Mapping[str, object] = json.loads(body).get("response") or {}
    if not response:
        return str(status)
    status_of = response.get("status")
    return "allowed" if response.get("allowed") else str(status_of.get("code")) if isinstance(status_of, dict) else "?"


def show(tried: list[Tried]) -> bool:
    """Print the most expensive reviews by each measure; return whether all are within their limits."""
    for place, name in enumerate(Cost._fields):
        print(f"most by {name} (limit {LIMITS[place]}):")
        for one in sorted(tried, key=lambda one: one.cost[place], reverse=True)[:SHOWN]:
            print(f"  {one}")
    beyond = {one.case for one in tried if not one.is_within}
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(tried)} reviews; {len(beyond)} cases beyond a limit: {sorted(beyond)[:50]}; at most {mebibytes:.0f} MiB of memory"
    )
    return not beyond


def main() -> bool:
    """Try until the time is over; return whether everything is within its limits."""
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="try this one alone")
    parser.add_argument("--largest", type=int, default=LARGEST, help="bytes of an object")
    parser.add_argument("--kind", default="", help="only kinds that have this in their name, as in core/configmaps")
    options = parser.parse_args()
    end = monotonic() + options.seconds
    numbers = (
        islice(count(options.case), 1) if options.case is not None else takewhile(lambda _: monotonic() < end, count())
    )
    with TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        tried = list(bench.tries(options.seed, numbers, options.largest, options.kind))
        bench.close()
    return show(tried)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
