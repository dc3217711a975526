"""Copies of a log whose lines a collector wrote anew: the records in them, where their hashes still fit."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from webhook.audit.chain import HASH_LENGTH, NOT_JSON, OPENING, UNWRITABLE, Piece, reseal

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # some programs put it before a text
# A collector's own text before a record: a time, a host, a pod, labels. Bounds how often one line is parsed.
LONGEST_PREFIX: Final = 1 << 12
MOST_BEGINNINGS: Final = 16
# The name of a chain in a record, also where the record is a text inside of other JSON, whose quotes are escaped.
CHAIN_NAME: Final = re.compile(rb'chain\\*"\s*:\s*\\*"[0-9a-f]{32}\b')
FIRST_KEY: Final = b'{"catflap"'
# The keys under which collectors keep a program's line: Docker's json-file, `journalctl -o json`, and most others.
HOLDING: Final = ("log", "MESSAGE", "message", "msg")


def rewritten(line: bytes) -> Iterator[Piece]:
    """The records of a line as their writer wrote them, if their hashes say that this is so.

    Text of a collector before a record and behind it is left out; half a record before it is given as a piece that is none.
    """
    text = line.removeprefix(BYTE_ORDER_MARK).strip()
    is_read = False
    while text:
        found = first_record(text)
        if found is None:
            break
        is_read = True
        begin, whole, end = found
        if OPENING.match(text[:begin]):
            yield Piece(text[:begin], is_record=False)
        yield Piece(whole, is_record=True)
        text = text[end:].strip()
    if text and (not is_read or OPENING.match(text)):
        yield Piece(text, is_record=False)


def was_record(text: bytes) -> bool:
    """Whether a text that is no record looks like what is left of one: changed, cut off, or inside of a collector's own text."""
    return FIRST_KEY in text or CHAIN_NAME.search(text) is not None


def first_record(text: bytes) -> tuple[int, bytes, int] | None:
    """Where the first record of a text begins, the record as it was written, and where it ends; None where there is none."""
    openings = (match.start() for match in islice(re.finditer(rb"\{", text[:LONGEST_PREFIX]), MOST_BEGINNINGS))
    for begin in openings:
        try:
            found, size = object_at(text[begin:])
            record = held(found)
            whole = reseal(record)
        except (*NOT_JSON, *UNWRITABLE, ValueError):
            continue
        if whole[-HASH_LENGTH:] == b',"hash":"%b"}' % str(record.get("hash")).encode():
            return begin, whole, begin + size
    return None


def held(found: dict[str, Any]) -> dict[str, Any]:
    """The record that a collector's own object holds as a text; the object itself where it holds none.  Raises ValueError."""
    if "hash" in found:
        return found
    text = next((value for key in HOLDING if isinstance(value := found.get(key), str)), "")
    return object_at(text[text.find("{") :].encode())[0] if "{" in text else found


def object_at(text: bytes) -> tuple[dict[str, Any], int]:
    """The JSON object that a text begins with, and how many bytes it takes.  Raises ValueError for what is none."""
    decoded = text.decode(errors="surrogateescape")
    found, end = READER.raw_decode(decoded)
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 (of a text)
    return found, len(decoded[:end].encode(errors="surrogateescape"))


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys stand there once, so that every reader sees the same.  Raises ValueError."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


READER: Final = json.JSONDecoder(object_pairs_hook=each_once)
