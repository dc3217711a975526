"""Suggestions: what people mistype, and what it costs to find out."""

from string import ascii_lowercase

import pytest

from webhook.model.spelling import cached_letter_pairs, closest_word

ROLES = ("frontend", "backend", "data")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        pytest.param("fronted", "frontend", id="a letter is missing"),
        pytest.param("frontendd", "frontend", id="a letter stands twice"),
        pytest.param("frontned", "frontend", id="two letters changed places"),
        pytest.param("bckend", "backend", id="a vowel is missing"),
        pytest.param("backends", "backend", id="the plural"),
        pytest.param("dta", "data", id="a short word"),
        pytest.param("xyz", None, id="nothing in common"),
        pytest.param("admin", None, id="another word"),
        pytest.param("", None, id="no word"),
        pytest.param("frontend" * 10, None, id="longer than any label's value"),
    ],
)
def test_the_nearest_word_is_found(word: str, meant: str | None) -> None:
    """As people mistype a role; none where it is a guess."""
    assert closest_word(word, ROLES) == meant


def test_letters_that_changed_places_in_a_short_word() -> None:
    """The shortest key that people mistype so."""
    assert closest_word("form", ("to", "from", "across", "ports")) == "from"


def test_each_of_the_known_words_is_taken_apart_once() -> None:
    """So one more word costs a comparison of two sets with each of them, whatever their letters."""
    words = tuple(f"{one}{other}" * 31 for one in ascii_lowercase for other in ascii_lowercase)[:256]
    cached_letter_pairs.cache_clear()
    for letter in ascii_lowercase:
        closest_word(letter * 63, words)
    assert cached_letter_pairs.cache_info().misses == len(words)
