"""Which of several words may be meant by one that is none of them, in time that is linear in their length.

Words are compared by the letters and the pairs of letters that they share (Dice's coefficient). An edit distance takes the product of
their lengths: for a label's value and 256 roles of 63 letters, difflib took half a second.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Final

# Longer ones are no label's value and no key of a policy file.
MAX_WORD_LENGTH: Final = 63
# One wrong letter of four, two neighbours that changed places, or two wrong letters of eight.
MIN_SIMILARITY: Final = 0.6
CACHE_SIZE: Final = 2_000  # of the policies in force: roles, environments, keys and rules


def letter_pairs(word: str) -> frozenset[str]:
    """Return the letters of a word and the pairs of neighbours among them, its beginning and end with them."""
    return frozenset(word).union(map("".join, pairwise(f"\n{word}\n")))


cached_letter_pairs = lru_cache(maxsize=CACHE_SIZE)(letter_pairs)


def closest_word(word: str, words: Iterable[str]) -> str | None:
    """Return the word that has the most in common with another one, the first of several; None where none is near."""
    if len(word) > MAX_WORD_LENGTH:
        return None
    own, best, found = letter_pairs(word), 0.0, None
    for one in words:
        other = cached_letter_pairs(one)
        likeness = 2 * len(own & other) / (len(own) + len(other))
        if likeness >= MIN_SIMILARITY and likeness > best:
            best, found = likeness, one
    return found
