"""The policy in force: swapped whole, and never for a bad one."""

import pytest

from tests.unit.samples import HEAD
from webhook.config.faults import BadPolicy
from webhook.config.parse import Loaded, parse
from webhook.config.store import PolicyStore

GOOD, OTHER, BAD = HEAD, HEAD + "mode: warn\n", HEAD + "mode: loud\n"


class Ears:
    """A store, and what its listeners were told."""

    def __init__(self) -> None:
        self.refused: list[BadPolicy] = []
        self.changed: list[Loaded] = []
        self.store = PolicyStore(on_refusal=self.refused.append)
        self.store.on_change(self.changed.append)


@pytest.fixture
def ears() -> Ears:
    """A store that was offered nothing yet."""
    return Ears()


def test_nothing_is_in_force_at_first(ears: Ears) -> None:
    """Nobody guesses a policy."""
    assert ears.store.current is None


def test_a_good_policy_comes_into_force(ears: Ears) -> None:
    """And is told of."""
    ears.store.offer(GOOD)
    assert ears.store.current == parse(GOOD)
    assert ears.changed == [parse(GOOD)]


def test_the_next_good_policy_takes_its_place(ears: Ears) -> None:
    """Whole."""
    ears.store.offer(GOOD)
    ears.store.offer(OTHER)
    assert ears.store.current == parse(OTHER)
    assert ears.changed == [parse(GOOD), parse(OTHER)]


def test_a_bad_policy_never_replaces_a_good_one(ears: Ears) -> None:
    """It is reported, with its faults."""
    ears.store.offer(GOOD)
    ears.store.offer(BAD)
    assert ears.store.current == parse(GOOD)
    assert ears.changed == [parse(GOOD)]
    assert [len(bad.faults) for bad in ears.refused] == [1]


def test_a_bad_policy_alone_leaves_nothing_in_force(ears: Ears) -> None:
    """No default slips in."""
    ears.store.offer(BAD)
    assert ears.store.current is None
    assert ears.changed == []


def test_the_same_text_is_no_news(ears: Ears) -> None:
    """A watch may tell it again and again."""
    for text in (GOOD, GOOD, BAD, BAD):
        ears.store.offer(text)
    assert ears.changed == [parse(GOOD)]
    assert len(ears.refused) == 1


def test_the_good_policy_is_told_of_again_after_a_bad_one(ears: Ears) -> None:
    """Whoever complained about the bad one learns that it is over."""
    for text in (GOOD, BAD, GOOD):
        ears.store.offer(text)
    assert ears.store.current == parse(GOOD)
    assert len(ears.changed) == 2


def test_a_listener_finds_the_new_policy_in_force(ears: Ears) -> None:
    """It may look at the store instead of at what it is given."""
    seen: list[Loaded | None] = []
    ears.store.on_change(lambda _: seen.append(ears.store.current))
    ears.store.offer(GOOD)
    assert seen == [parse(GOOD)]
