"""Bytes of bodies that are held at once: counted, bounded, and shared fairly."""

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from webhook.server.bodies import Bodies, Body


def holding(stack: ExitStack, bodies: Bodies, *, known: bool = False, drops: list[str] | None = None) -> Body:
    """A body that is received until the stack ends; `drops` notes when it had to make room."""
    seen = [] if drops is None else drops
    return stack.enter_context(bodies.receiving(known=known, drop=lambda: seen.append("dropped")))


def test_the_largest_unfinished_body_of_a_stranger_makes_room_for_a_small_one() -> None:
    """A review of some kilobytes gets in while others hold all that strangers may hold."""
    bodies, drops = Bodies(most=1000, strangers=100), list[str]()
    with ExitStack() as stack:
        large, small = holding(stack, bodies, drops=drops), holding(stack, bodies)
        assert bodies.grow(large, 95)
        assert bodies.grow(small, 10)
        assert (large.is_dropped, small.is_dropped, drops, bodies.total) == (True, False, ["dropped"], 10)
        assert not bodies.grow(large, 1)
    assert bodies.total == 0


def test_a_stranger_that_asks_for_the_most_is_refused_itself() -> None:
    """Nobody smaller pays for it."""
    bodies = Bodies(most=1000, strangers=100)
    with ExitStack() as stack:
        small, large = holding(stack, bodies), holding(stack, bodies)
        assert bodies.grow(small, 60)
        assert not bodies.grow(large, 70)
        assert (small.is_dropped, bodies.total) == (False, 60)


def test_strangers_never_take_the_room_of_known_callers() -> None:
    """A known caller has all of it, and unfinished bodies of strangers make way."""
    bodies = Bodies(most=100, strangers=40)
    with ExitStack() as stack:
        stranger, known = holding(stack, bodies), holding(stack, bodies, known=True)
        assert bodies.grow(stranger, 40)
        assert bodies.grow(known, 60)
        assert not stranger.is_dropped
        assert bodies.grow(known, 40)
        assert (stranger.is_dropped, bodies.total) == (True, 100)
        assert not bodies.grow(known, 1)


def test_a_whole_body_makes_no_room_any_more() -> None:
    """Its request is being answered."""
    bodies = Bodies(most=100, strangers=100)
    with ExitStack() as stack:
        whole, late = holding(stack, bodies), holding(stack, bodies)
        assert bodies.grow(whole, 90)
        bodies.finish(whole)
        assert not bodies.grow(late, 20)
        assert (whole.is_dropped, bodies.total) == (False, 90)


@given(
    growth=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 60)), max_size=60),
    known=st.sets(st.integers(0, 7)),
    finished=st.sets(st.integers(0, 59)),
)
def test_the_bounds_hold_whatever_comes(growth: list[tuple[int, int]], known: set[int], finished: set[int]) -> None:
    """The sum is that of all bodies, within both bounds, and nothing is left behind."""
    bodies = Bodies(most=200, strangers=80)
    with ExitStack() as stack:
        held = [holding(stack, bodies, known=number in known) for number in range(8)]
        for step, (number, size) in enumerate(growth):
            fits = bodies.grow(held[number], size)
            assert fits is not held[number].is_dropped
            if step in finished:
                bodies.finish(held[number])
            assert bodies.total == sum(body.size for body in held) <= 200
            assert sum(body.size for number, body in enumerate(held) if number not in known) <= 80
    assert bodies.total == 0
