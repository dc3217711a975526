"""What the library forgets is given back, and nothing else is."""

import gc
import tracemalloc
from typing import Any

import pytest

from webhook.custom import leak
from webhook.custom.leak import give_back, holders, mended, watched
from webhook.custom.library import EvaluationError, compiled

RUNS = 300
KIB = 1 << 10
TEXT = "some text, " * 400

FUNCTIONS = [
    "object.text.trim() != ''",
    "object.text.replace('some', 'any').size() > 0",
    "object.text.split(object.text).size() > 0",
    "object.list.sort().distinct().size() > 0",
    "object.list.join(object.text) != ''",
    "object.text.find('text') == 'text'",
    "sets.contains(object.list, object.list) && object.list.indexOf(object.text) < 0",
    "!isQuantity(object.text) && !isIP(object.text)",
    "quantity(object.amount).isLessThan(quantity('100Gi'))",
    "object.text.charAt(99999) == ''",
]


def grown(expression: str, value: dict[str, Any]) -> int:
    """The bytes that are held after many runs and were not before."""
    program = compiled(expression)

    def go(times: int) -> None:
        for _ in range(times):
            try:
                program.run({"object": value})
            except EvaluationError:
                continue

    go(10)
    gc.collect()
    tracemalloc.start()
    begun = tracemalloc.get_traced_memory()[0]
    go(RUNS)
    gc.collect()
    ended = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return ended - begun


@pytest.mark.parametrize("expression", FUNCTIONS)
def test_texts_do_not_stay_in_memory(expression: str) -> None:
    """Each run would else keep its arguments: here four kibibytes and more."""
    value = {"text": TEXT, "list": [f"{number}{TEXT}" for number in range(5)], "amount": "64Mi"}
    assert grown(expression, value) < RUNS * KIB // 4


def test_what_somebody_holds_is_left_alone() -> None:
    """Or the interpreter would fall."""
    kept = [("a", "b", object())]
    owner = kept[0]
    others = [owner]
    give_back(kept)
    assert holders(others, 0) == 2
    assert owner[0] == "a"


def test_where_nothing_is_forgotten_nothing_is_given_back() -> None:
    """A later release of the library has mended it."""
    seen: list[list[str]] = []

    def call(text: str) -> list[str]:
        seen.append([text])
        return seen[-1]

    with mended(leaks=False):
        watched(call)(f"{TEXT}!")
        assert leak.held.get() is None
    assert holders(seen, -1) == 1
    assert seen[-1] == [f"{TEXT}!"]


def test_one_run_inside_another_keeps_to_itself() -> None:
    """Nothing is given back twice."""
    with mended(leaks=True):
        outer = leak.held.get()
        with mended(leaks=True):
            assert leak.held.get() is not outer
        assert leak.held.get() is outer
    assert leak.held.get() is None
