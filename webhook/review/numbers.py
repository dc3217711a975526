"""Find numbers in JSON that are longer than necessary."""

import re
from typing import Final

# The largest float64 has 309 digits before the point, the smallest has 324 zeros after it (IEEE 754, binary64). The API
# server writes 25 characters at most (Go, encoding/json: floatEncoder).
LONGEST_NUMBER: Final = 400
# This table turns every byte of a number into a digit, and every other byte into a blank.
_DIGITS: Final = bytes(ord("0") if byte in b"+-.0123456789eE" else ord(" ") for byte in range(256))
_RUN: Final = b"0" * (LONGEST_NUMBER + 1)
# A text, or a number.
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[-+.0-9eE]+', re.DOTALL)


def has_long_number(source: bytes) -> bool:
    """Return whether a JSON text has a number of more than 400 characters outside of its texts.

    The time is proportional to the size.
    """
    if _RUN not in source.translate(_DIGITS):
        return False
    return any(
        found.end() - found.start() > LONGEST_NUMBER and source[found.start()] != ord('"')
        for found in _TOKEN.finditer(source)
    )
