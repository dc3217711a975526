"""A short run of the benchmark that searches for expensive reviews; the full benchmark has no time limit."""

from itertools import count, takewhile
from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzzing import Bench
from benchmarks.shapes.objects import Kind, kinds, reviews
from webhook.model.kinds import BINDINGS, CONFIGMAPS, NAMESPACES, POD_MAKERS, POLICY_RESOURCES
from webhook.model.request import Request
from webhook.review.decode import decode
from webhook.review.envelope import BadReview

SEED = 12
# The size of an object: above all of catflap's limits, and generated within some milliseconds.
LARGEST = 100_000


def test_every_kind_that_is_judged_is_tried() -> None:
    """The generator uses only the tables, so it also covers a new kind."""
    tried = {(one.group, one.resource) for one in kinds()}
    assert tried >= {(maker.group, maker.resource) for maker in POD_MAKERS} | POLICY_RESOURCES | {
        CONFIGMAPS,
        NAMESPACES,
    }
    assert {(one.group, one.resource, one.subresource) for one in kinds()} >= BINDINGS


@pytest.mark.parametrize("kind", kinds(), ids=str)
def test_a_kind_is_read_and_not_only_refused(kind: Kind) -> None:
    """Otherwise the benchmark would measure the answers to bad reviews."""
    seeds = (Random(f"{SEED}/{number}") for number in range(20))
    assert any(read(body) for random in seeds for body in reviews(random, kind, 200))


def read(body: bytes) -> bool:
    """Return whether a review has an object that catflap checks."""
    try:
        found: Request = decode(body)
    except BadReview:
        return False
    parts = (found.workload, found.policy, found.namespace, found.policy_file, found.bound_labels)
    return any(part is not None for part in parts)


def test_no_review_costs_more_than_its_bound(tmp_path: Path) -> None:
    """The limits are those of the event loop, of a thread, of the log and of the answer; each kind is tried under each policy."""
    bench = Bench(tmp_path)
    numbers = takewhile(lambda number: number < 2 * len(kinds()), count())
    tried = list(bench.tries(SEED, numbers, LARGEST))
    bench.close()
    assert [str(one) for one in tried if not one.is_within] == []
    assert {one.verdict for one in tried} >= {"allowed", "403"}
