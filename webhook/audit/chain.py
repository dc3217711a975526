"""The arithmetic of the chain: what makes a record's line, its hash, and the bytes that are signed.

A line is one JSON object in canonical form (keys sorted, no white space, UTF-8, no floats: what RFC 8785 asks of such values), with the
SHA-256 of that form as its last key `hash`. Each record but the first has the hash of the record before it as `prev`.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

# Until the next checkpoint nobody vouches for the records; the clock makes some as well, where little comes.
CHECKPOINT_RECORDS: Final = 1000
GENESIS: Final = "0" * 64  # `prev` of a chain's first record
# At the end of every line: `,"hash":"`, 64 digits, `"}`.
HASH: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
HASH_LENGTH: Final = 75
# Every record begins so, as its keys are sorted; see webhook.audit.schema.
FIRST_KEYS: Final = ("accepted", "audited", "candidate", "catflap")
OPENING: Final = re.compile(rb'\{"(?:%b)"' % "|".join(FIRST_KEYS).encode())
# Beyond these a line is not taken apart: looking for records in it takes its length times the places where one might begin, times
# those where one might end. Several processes may each have left half a line, of some kilobytes.
LONGEST_MIXED: Final = 1 << 16
MOST_STARTS: Final = 64
MOST_HASHED: Final = 1 << 22  # bytes, of one line
# What is no JSON, or is more than anybody writes down.
NOT_JSON: Final = (msgspec.DecodeError, RecursionError)
# Values that JSON can say and no record does: half a surrogate pair, numbers of more than 64 bits.
UNWRITABLE: Final = (UnicodeEncodeError, OverflowError)

ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Link(Struct, frozen=True):
    """A place in a chain: which record, and by its hash everything before it."""

    chain: str
    seq: int
    hash: str


class Fragment(Struct, frozen=True):
    """A half line that a writer owns up to, as `torn` says it; none of its bytes where only the line's end was missing."""

    bytes: int
    sha256: str


class Piece(NamedTuple):
    """A part of a line: a record, or what stands between records."""

    text: bytes
    is_record: bool


def canonical(record: Mapping[str, object]) -> bytes:
    """The one way to write a record."""
    return ENCODER.encode(record)


def seal(record: Mapping[str, object]) -> tuple[bytes, str]:
    """The line of a record that has no hash yet, and that hash."""
    body = canonical(record)
    digest = sha256(body).hexdigest()
    return b'%b,"hash":"%b"}\n' % (body[:-1], digest.encode("ascii")), digest


def is_sealed(line: bytes) -> bool:
    """Whether a line without its end is exactly what its hash says."""
    found = HASH.fullmatch(line, len(line) - HASH_LENGTH) if len(line) > HASH_LENGTH else None
    return found is not None and sha256(line[:-HASH_LENGTH] + b"}").hexdigest().encode("ascii") == found[1]


def is_half(text: bytes) -> bool:
    """Whether a text may be the beginning of a line whose rest could not be written: no JSON yet, however long."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except NOT_JSON:
        return HASH.fullmatch(text, max(0, len(text) - HASH_LENGTH)) is None
    return False


def reseal(record: Mapping[str, object]) -> bytes:
    """The line of a record that was read and may have been written anew by others: with the hash that it ought to have."""
    return seal({key: value for key, value in record.items() if key != "hash"})[0][:-1]


def signed_bytes(record: Mapping[str, object]) -> bytes:
    """What a record's signature is made over."""
    return canonical({key: value for key, value in record.items() if key not in {"signature", "hash"}})


def certified_bytes(*, chain: str, public_key: str, writer: Mapping[str, object]) -> bytes:
    """What the audit root key signs: that this key writes this chain, for this writer."""
    return canonical({"chain": chain, "publicKey": public_key, "writer": writer})


def fragment(text: bytes) -> Fragment:
    """A half line by its size and hash."""
    return Fragment(len(text), sha256(text).hexdigest())


def pieces(line: bytes) -> Iterator[Piece]:
    """A line's records and what stands between them.

    Usually that is one record. Where a writer could write half a line only, the next writer's record may stand behind it.
    """
    if is_sealed(line):
        yield Piece(line, is_record=True)
        return
    at, left, starts = 0, MOST_HASHED, [match.start() for match in OPENING.finditer(line)]
    for end in HASH.finditer(line) if len(line) <= LONGEST_MIXED and len(starts) <= MOST_STARTS else ():
        tried = [one for one in starts if at <= one < end.start()]
        left -= sum(end.end() - one for one in tried)
        start = next((one for one in tried if is_sealed(line[one : end.end()])), None) if left >= 0 else None
        if start is None:
            continue
        if start > at:
            yield Piece(line[at:start], is_record=False)
        yield Piece(line[start : end.end()], is_record=True)
        at = end.end()
    if at < len(line):
        yield Piece(line[at:], is_record=False)
