"""Check that the store replaces the policy as a whole, and never with a bad one."""

import pytest

from tests.unit.samples import HEAD
from webhook.config.faults import BadPolicy
from webhook.config.parse import Loaded, parse
from webhook.config.store import PolicyStore

GOOD, OTHER, BAD = HEAD, HEAD + "mode: warn\n", HEAD + "mode: loud\n"


class Ears:
    """A store, and the policies that its listeners received."""

    def __init__(self) -> None:
        self.refused: list[BadPolicy] = []
        self.changed: list[Loaded] = []
        self.store = PolicyStore(on_refusal=self.refused.append)
        self.store.on_change(self.changed.append)


@pytest.fixture
def ears() -> Ears:
    """Return a store without a policy."""
    return Ears()


def test_nothing_is_in_force_at_first(ears: Ears) -> None:
    """The store has no default policy."""
    assert ears.store.current is None


def test_a_good_policy_comes_into_force(ears: Ears) -> None:
    """The listeners receive it."""
    ears.store.offer(GOOD)
    assert ears.store.current == parse(GOOD)
    assert ears.changed == [parse(GOOD)]


def test_the_next_good_policy_takes_its_place(ears: Ears) -> None:
    """The store replaces the whole policy."""
    ears.store.offer(GOOD)
    ears.store.offer(OTHER)
    assert ears.store.current == parse(OTHER)
    assert ears.changed == [parse(GOOD), parse(OTHER)]


def test_a_bad_policy_never_replaces_a_good_one(ears: Ears) -> None:
    """The store reports its faults."""
    ears.store.offer(GOOD)
    ears.store.offer(BAD)
    assert ears.store.current == parse(GOOD)
    assert ears.changed == [parse(GOOD)]
    assert [len(bad.faults) for bad in ears.refused] == [1]


def test_a_bad_policy_alone_leaves_nothing_in_force(ears: Ears) -> None:
    """The store does not use a default."""
    ears.store.offer(BAD)
    assert ears.store.current is None
    assert ears.changed == []


def test_the_same_text_is_no_news(ears: Ears) -> None:
    """A watch may deliver the same text again."""
    for text in (GOOD, GOOD, BAD, BAD):
        ears.store.offer(text)
    assert ears.changed == [parse(GOOD)]
    assert len(ears.refused) == 1


def test_the_good_policy_is_told_of_again_after_a_bad_one(ears: Ears) -> None:
    """A listener that reported the bad policy learns that a good one is in force."""
    for text in (GOOD, BAD, GOOD):
        ears.store.offer(text)
    assert ears.store.current == parse(GOOD)
    assert len(ears.changed) == 2


def test_a_listener_finds_the_new_policy_in_force(ears: Ears) -> None:
    """The listener may read the store instead of its argument."""
    seen: list[Loaded | None] = []
    ears.store.on_change(lambda _: seen.append(ears.store.current))
    ears.store.offer(GOOD)
    assert seen == [parse(GOOD)]
