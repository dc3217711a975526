"""Numbers with their nouns."""

import pytest

from webhook.model.counting import counted


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 records"), (1, "1 record"), (2, "2 records"), (1_000, "1,000 records")]
)
def test_a_number_agrees_with_its_noun(count: int, words: str) -> None:
    """One alone is singular."""
    assert counted(count, "record") == words


def test_a_plural_of_another_form_is_given() -> None:
    """As English has them."""
    assert (counted(1, "entry", "entries"), counted(2, "entry", "entries")) == ("1 entry", "2 entries")
