"""Shortening of users' texts and lists in messages: a label value may be as long as a request."""

from collections.abc import Sequence
from typing import Final

# A label's key is the longest text that a message quotes whole: a prefix of 253 characters, a slash, a name of 63
# (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/).
LONGEST_KEY: Final = 317
# The longest sentence: two keys or values, and what is wrong with them.
LONGEST_SENTENCE: Final = 1_000
TAIL: Final = 150  # characters kept from the end, where a message has its suggestion
MOST_LISTED: Final = 10


def printable(text: str) -> str:
    """Return a text on one line: a character that moves a cursor, ends a line or changes the direction of writing is shown by its code."""
    return text if text.isprintable() else "".join(map(shown, text))


def shown(character: str) -> str:
    """Return one character, or its code."""
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int = LONGEST_KEY) -> str:
    """Return a text of at most `most` characters: its beginning and its end, with the number of characters that are left out."""
    if len(text) <= most:
        return text
    tail = min(TAIL, most // 4)
    left_out = f" … [{len(text) - most} characters more] … "
    head = max(0, most - tail - len(left_out))
    return f"{text[:head]}{left_out}{text[-tail:]}"


def listed(words: Sequence[str], most: int = MOST_LISTED, *, joint: str = ", ") -> str:
    """Return the first words of a list, and how many more there are."""
    rest = len(words) - most
    return joint.join(words) if rest <= 0 else f"{joint.join(words[:most])} and {rest} more"
