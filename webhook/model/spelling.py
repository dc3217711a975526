"""Spelling suggestions: the known word that is closest to an unknown one, in time linear in the length of the words.

Words are compared by the letters and the pairs of letters that they share (Dice's coefficient). An edit distance takes the product of
their lengths: for a label's value and 256 roles of 63 letters, difflib took half a second.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Final

# No label value and no key of a policy file is longer.
MAX_WORD_LENGTH: Final = 63
# One wrong letter of four, two neighbours that changed places, or two wrong letters of eight.
MIN_SIMILARITY: Final = 0.6
CACHE_SIZE: Final = 2_000  # of the policies in force: roles, environments, keys and rules


def letter_pairs(word: str) -> frozenset[str]:
    """Return the letters of a word, and the pairs of adjacent letters including its beginning and end."""
    return frozenset(word).union(map("".join, pairwise(f"\n{word}\n")))


cached_letter_pairs = lru_cache(maxsize=CACHE_SIZE)(letter_pairs)


def closest_word(word: str, words: Iterable[str]) -> str | None:
    """Return the most similar of the words, the first of several; None if none is similar enough."""
    if len(word) > MAX_WORD_LENGTH:
        return None
    own, best, found = letter_pairs(word), 0.0, None
    for one in words:
        other = cached_letter_pairs(one)
        likeness = 2 * len(own & other) / (len(own) + len(other))
        if likeness >= MIN_SIMILARITY and likeness > best:
            best, found = likeness, one
    return found
