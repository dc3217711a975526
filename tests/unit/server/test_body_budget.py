"""The byte budget of bodies is counted, bounded and shared fairly."""

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from webhook.server.body_budget import BodyBudget, BodyReservation


def reserve(
    stack: ExitStack, budget: BodyBudget, *, is_trusted: bool = False, drops: list[str] | None = None
) -> BodyReservation:
    """Reserve a body until the stack closes; `drops` records when the body is dropped."""
    seen = [] if drops is None else drops
    return stack.enter_context(budget.reserve(is_trusted=is_trusted, drop=lambda: seen.append("dropped")))


def test_the_largest_incomplete_untrusted_body_is_dropped_for_a_small_one() -> None:
    """A review of some kilobytes is received while large bodies use up the untrusted budget."""
    budget, drops = BodyBudget(max_bytes=1000, max_untrusted_bytes=100), list[str]()
    with ExitStack() as stack:
        large, small = reserve(stack, budget, drops=drops), reserve(stack, budget)
        assert budget.grow(large, 95)
        assert budget.grow(small, 10)
        assert (large.is_dropped, small.is_dropped, drops, budget.total) == (True, False, ["dropped"], 10)
        assert not budget.grow(large, 1)
    assert budget.total == 0


def test_the_largest_untrusted_body_is_itself_refused() -> None:
    """No smaller body is dropped."""
    budget = BodyBudget(max_bytes=1000, max_untrusted_bytes=100)
    with ExitStack() as stack:
        small, large = reserve(stack, budget), reserve(stack, budget)
        assert budget.grow(small, 60)
        assert not budget.grow(large, 70)
        assert (small.is_dropped, budget.total) == (False, 60)


def test_untrusted_bodies_never_use_up_the_budget_of_trusted_ones() -> None:
    """A trusted connection may use the whole budget, and incomplete untrusted bodies are dropped."""
    budget = BodyBudget(max_bytes=100, max_untrusted_bytes=40)
    with ExitStack() as stack:
        untrusted, trusted = reserve(stack, budget), reserve(stack, budget, is_trusted=True)
        assert budget.grow(untrusted, 40)
        assert budget.grow(trusted, 60)
        assert not untrusted.is_dropped
        assert budget.grow(trusted, 40)
        assert (untrusted.is_dropped, budget.total) == (True, 100)
        assert not budget.grow(trusted, 1)


def test_a_complete_body_is_not_dropped() -> None:
    """Its request is being answered."""
    budget = BodyBudget(max_bytes=100, max_untrusted_bytes=100)
    with ExitStack() as stack:
        whole, late = reserve(stack, budget), reserve(stack, budget)
        assert budget.grow(whole, 90)
        budget.finish(whole)
        assert not budget.grow(late, 20)
        assert (whole.is_dropped, budget.total) == (False, 90)


@given(
    growth=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 60)), max_size=60),
    trusted=st.sets(st.integers(0, 7)),
    finished=st.sets(st.integers(0, 59)),
)
def test_the_limits_hold_for_any_sequence(growth: list[tuple[int, int]], trusted: set[int], finished: set[int]) -> None:
    """The total is the sum of all bodies, both limits hold, and nothing is held at the end."""
    budget = BodyBudget(max_bytes=200, max_untrusted_bytes=80)
    with ExitStack() as stack:
        held = [reserve(stack, budget, is_trusted=number in trusted) for number in range(8)]
        for step, (number, size) in enumerate(growth):
            fits = budget.grow(held[number], size)
            assert fits is not held[number].is_dropped
            if step in finished:
                budget.finish(held[number])
            assert budget.total == sum(body.size for body in held) <= 200
            assert sum(body.size for number, body in enumerate(held) if number not in trusted) <= 80
    assert budget.total == 0
