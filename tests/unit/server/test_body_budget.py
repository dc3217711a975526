"""Bytes of bodies that are held at once: counted, bounded, and shared fairly."""

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from webhook.server.body_budget import BodyBudget, BodyReservation


def holding(
    stack: ExitStack, budget: BodyBudget, *, is_trusted: bool = False, drops: list[str] | None = None
) -> BodyReservation:
    """A body that is received until the stack ends; `drops` notes when it had to make room."""
    seen = [] if drops is None else drops
    return stack.enter_context(budget.reserve(is_trusted=is_trusted, drop=lambda: seen.append("dropped")))


def test_the_largest_unfinished_body_of_a_stranger_makes_room_for_a_small_one() -> None:
    """A review of some kilobytes gets in while others hold all that strangers may hold."""
    budget, drops = BodyBudget(max_bytes=1000, max_untrusted_bytes=100), list[str]()
    with ExitStack() as stack:
        large, small = holding(stack, budget, drops=drops), holding(stack, budget)
        assert budget.grow(large, 95)
        assert budget.grow(small, 10)
        assert (large.is_dropped, small.is_dropped, drops, budget.total) == (True, False, ["dropped"], 10)
        assert not budget.grow(large, 1)
    assert budget.total == 0


def test_a_stranger_that_asks_for_the_most_is_refused_itself() -> None:
    """Nobody smaller pays for it."""
    budget = BodyBudget(max_bytes=1000, max_untrusted_bytes=100)
    with ExitStack() as stack:
        small, large = holding(stack, budget), holding(stack, budget)
        assert budget.grow(small, 60)
        assert not budget.grow(large, 70)
        assert (small.is_dropped, budget.total) == (False, 60)


def test_strangers_never_take_the_room_of_known_callers() -> None:
    """A known caller has all of it, and unfinished bodies of strangers make way."""
    budget = BodyBudget(max_bytes=100, max_untrusted_bytes=40)
    with ExitStack() as stack:
        stranger, trusted = holding(stack, budget), holding(stack, budget, is_trusted=True)
        assert budget.grow(stranger, 40)
        assert budget.grow(trusted, 60)
        assert not stranger.is_dropped
        assert budget.grow(trusted, 40)
        assert (stranger.is_dropped, budget.total) == (True, 100)
        assert not budget.grow(trusted, 1)


def test_a_whole_body_makes_no_room_any_more() -> None:
    """Its request is being answered."""
    budget = BodyBudget(max_bytes=100, max_untrusted_bytes=100)
    with ExitStack() as stack:
        whole, late = holding(stack, budget), holding(stack, budget)
        assert budget.grow(whole, 90)
        budget.finish(whole)
        assert not budget.grow(late, 20)
        assert (whole.is_dropped, budget.total) == (False, 90)


@given(
    growth=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 60)), max_size=60),
    trusted=st.sets(st.integers(0, 7)),
    finished=st.sets(st.integers(0, 59)),
)
def test_the_bounds_hold_whatever_comes(growth: list[tuple[int, int]], trusted: set[int], finished: set[int]) -> None:
    """The sum is that of all bodies, within both bounds, and nothing is left behind."""
    budget = BodyBudget(max_bytes=200, max_untrusted_bytes=80)
    with ExitStack() as stack:
        held = [holding(stack, budget, is_trusted=number in trusted) for number in range(8)]
        for step, (number, size) in enumerate(growth):
            fits = budget.grow(held[number], size)
            assert fits is not held[number].is_dropped
            if step in finished:
                budget.finish(held[number])
            assert budget.total == sum(body.size for body in held) <= 200
            assert sum(body.size for number, body in enumerate(held) if number not in trusted) <= 80
    assert budget.total == 0
