"""A few seconds of the benchmark that looks for reviews that cost too much; in full it runs for as long as one likes."""

from itertools import count, takewhile
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzzing import Bench
from benchmarks.shapes.objects import Kind, kinds, reviews
from webhook.model.kinds import BINDINGS, CONFIGMAPS, NAMESPACES, POD_MAKERS, POLICY_RESOURCES
from webhook.model.request import Request
from webhook.review.decode import BadReview, decode

SEED = 12
# Of an object: what takes some milliseconds to make, and more than any bound of ours.
LARGEST = 100_000


def test_every_kind_that_is_judged_is_tried() -> None:
    """By the tables alone, so that a new kind is as well."""
    tried = {(one.group, one.resource) for one in kinds()}
    assert tried >= {(maker.group, maker.resource) for maker in POD_MAKERS} | POLICY_RESOURCES | {
        CONFIGMAPS,
        NAMESPACES,
    }
    assert {(one.group, one.resource, one.subresource) for one in kinds()} >= BINDINGS


@pytest.mark.parametrize("kind", kinds(), ids=str)
def test_a_kind_is_read_and_not_only_refused(kind: Kind) -> None:
    """Otherwise the benchmark would measure how quickly a bad review is answered."""
    seeds = (Random(f"{SEED}/{number}") for number in range(20))
    assert any(read(body) for random in seeds for body in reviews(random, kind, 200))


def read(body: bytes) -> bool:
    """Whether a review carries something that is judged."""
    try:
        found: Request = decode(body)
    except BadReview:
        return False
    parts = (found.workload, found.policy, found.namespace, found.policy_file, found.bound_labels)
    return any(part is not None for part in parts)


def test_no_review_costs_more_than_its_bound(tmp_path: Path) -> None:
    """On the event loop, in a thread, in the log and in the answer; each kind under each policy at least once."""
    bench = Bench(tmp_path)
    numbers = takewhile(lambda number: number < 2 * len(kinds()), count())
    tried = list(bench.tries(SEED, numbers, LARGEST))
    bench.close()
    assert [str(one) for one in tried if not one.is_within] == []
    assert {one.verdict for one in tried} >= {"allowed", "403"}
