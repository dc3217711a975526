"""Find records in copies of a log whose lines a collector rewrote, if their hashes still match."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from webhook.audit.chain import DECODE_ERRORS, ENCODE_ERRORS, HASH_LENGTH, RECORD_START, Piece, reseal

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # some programs put it before a text
# The longest text of a collector before a record: a time, a host, a pod, labels. It limits how often one line is
# parsed.
LONGEST_PREFIX: Final = 1 << 12
MOST_CANDIDATES: Final = 16
# The name of a chain in a record. Quotes have backslashes if the record is a text in other JSON.
CHAIN_NAME: Final = re.compile(rb'chain\\*"\s*:\s*\\*"[0-9a-f]{32}\b')
FIRST_KEY: Final = b'{"catflap"'
# The keys that collectors use for a program's line: Docker's json-file, `journalctl -o json`, and most others.
LINE_KEYS: Final = ("log", "MESSAGE", "message", "msg")


def split_copied_line(line: bytes) -> Iterator[Piece]:
    """Yield the records of a line in their original form, if their hashes match that form.

    A collector's own text before and after a record is left out. Half a record before it is yielded as a piece that is
    no record.
    """
    text = line.removeprefix(BYTE_ORDER_MARK).strip()
    is_read = False
    while text:
        found = first_record(text)
        if found is None:
            break
        is_read = True
        begin, whole, end = found
        if RECORD_START.match(text[:begin]):
            yield Piece(text[:begin], is_record=False)
        yield Piece(whole, is_record=True)
        text = text[end:].strip()
    if text and (not is_read or RECORD_START.match(text)):
        yield Piece(text, is_record=False)


def looks_like_record(text: bytes) -> bool:
    """Return whether a text looks like a damaged record: changed, cut off, or inside a collector's own text."""
    return FIRST_KEY in text or CHAIN_NAME.search(text) is not None


def first_record(text: bytes) -> tuple[int, bytes, int] | None:
    """Return the start, original form and end of the first record in a text, or None if there is none."""
    openings = (match.start() for match in islice(re.finditer(rb"\{", text[:LONGEST_PREFIX]), MOST_CANDIDATES))
    for begin in openings:
        try:
            found, size = parse_object(text[begin:])
            record = unwrap(found)
            whole = reseal(record)
        except (*DECODE_ERRORS, *ENCODE_ERRORS, ValueError):
            continue
        if whole[-HASH_LENGTH:] == b',"hash":"%b"}' % str(record.get("hash")).encode():
            return begin, whole, begin + size
    return None


def unwrap(found: dict[str, Any]) -> dict[str, Any]:
    """Return the record that a collector's object contains as a text, or the object itself.  Raises ValueError."""
    if "hash" in found:
        return found
    text = next((value for key in LINE_KEYS if isinstance(value := found.get(key), str)), "")
    return parse_object(text[text.find("{") :].encode())[0] if "{" in text else found


def parse_object(text: bytes) -> tuple[dict[str, Any], int]:
    """Return the JSON object at the start of a text, and its length in bytes.  Raises ValueError."""
    decoded = text.decode(errors="surrogateescape")
    found, end = JSON_DECODER.raw_decode(decoded)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004 (of a text)
    return found, len(decoded[:end].encode(errors="surrogateescape"))


def reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object without repeated keys, so that every reader sees the same.  Raises ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


JSON_DECODER: Final = json.JSONDecoder(object_pairs_hook=reject_duplicate_keys)
