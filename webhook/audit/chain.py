"""The format of a chain: a record's line, its hash, and the bytes that a signature covers.

A line is one JSON object in canonical form (keys sorted, no white space, UTF-8, no floats: what RFC 8785 requires for
such values). The line's last key, `hash`, is the SHA-256 of that form. Each record but the first has the hash of the
record before it as `prev`.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

# No signature covers a record before the next checkpoint. A timer also makes checkpoints, for processes that write few
# records.
CHECKPOINT_RECORDS: Final = 1000
GENESIS: Final = "0" * 64  # `prev` of a chain's first record
# Every line ends so: `,"hash":"`, 64 digits, `"}`.
HASH: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
HASH_LENGTH: Final = 75
# Every record begins with one of these keys, because keys are sorted; see webhook.audit.schema.
FIRST_KEYS: Final = ("accepted", "audited", "candidate", "catflap")
RECORD_START: Final = re.compile(rb'\{"(?:%b)"' % "|".join(FIRST_KEYS).encode())
# Above these limits, a reader does not split a line. The cost of the search is the length of the line, times the
# possible beginnings of a record, times the possible ends. Several processes may each leave half a line of some
# kilobytes.
LONGEST_MIXED: Final = 1 << 16
MOST_STARTS: Final = 64
MOST_HASHED: Final = 1 << 22  # bytes of one line
# Text that is not JSON, or is nested too deeply.
DECODE_ERRORS: Final = (msgspec.DecodeError, RecursionError)
# Values that JSON permits and no record has: half of a surrogate pair, numbers of more than 64 bits.
ENCODE_ERRORS: Final = (UnicodeEncodeError, OverflowError)

ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Link(Struct, frozen=True):
    """A record's place in a chain; the hash covers everything before it."""

    chain: str
    seq: int
    hash: str


class Fragment(Struct, frozen=True):
    """A half line that a writer lists in `torn`. It has zero bytes if only the line end was missing."""

    bytes: int
    sha256: str


class Piece(NamedTuple):
    """A part of a line: a record, or the text between records."""

    text: bytes
    is_record: bool


def canonical_bytes(record: Mapping[str, object]) -> bytes:
    """Return the canonical bytes of a record."""
    return ENCODER.encode(record)


def seal(record: Mapping[str, object]) -> tuple[bytes, str]:
    """Return the line of a record without a hash, and its hash."""
    body = canonical_bytes(record)
    digest = sha256(body).hexdigest()
    return b'%b,"hash":"%b"}\n' % (body[:-1], digest.encode("ascii")), digest


def is_sealed(line: bytes) -> bool:
    """Return whether a line without its line end matches its hash."""
    found = HASH.fullmatch(line, len(line) - HASH_LENGTH) if len(line) > HASH_LENGTH else None
    return found is not None and sha256(line[:-HASH_LENGTH] + b"}").hexdigest().encode("ascii") == found[1]


def may_be_partial_line(text: bytes) -> bool:
    """Return whether a text may be the first part of a line: a text that is not JSON, of any length."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except DECODE_ERRORS:
        return HASH.fullmatch(text, max(0, len(text) - HASH_LENGTH)) is None
    return False


def reseal(record: Mapping[str, object]) -> bytes:
    """Return the line of a record that another program may have rewritten, with the correct hash."""
    return seal({key: value for key, value in record.items() if key != "hash"})[0][:-1]


def signed_bytes(record: Mapping[str, object]) -> bytes:
    """Return the bytes that a record's signature covers."""
    return canonical_bytes({key: value for key, value in record.items() if key not in {"signature", "hash"}})


def certified_bytes(*, chain: str, public_key: str, writer: Mapping[str, object]) -> bytes:
    """Return what the audit root key signs: this public key writes this chain, for this writer."""
    return canonical_bytes({"chain": chain, "publicKey": public_key, "writer": writer})


def fragment_of(text: bytes) -> Fragment:
    """Return the size and hash of a half line."""
    return Fragment(len(text), sha256(text).hexdigest())


def split_line(line: bytes) -> Iterator[Piece]:
    """Yield the records of a line and the text between them.

    Usually a line is one record. If a writer wrote only half a line, the next writer's record may follow it on the same
    line.
    """
    if is_sealed(line):
        yield Piece(line, is_record=True)
        return
    at, left, starts = 0, MOST_HASHED, [match.start() for match in RECORD_START.finditer(line)]
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
