"""Lists read in pages that fit into memory, whatever the objects' sizes.

The API server limits a page by its number of objects, not by its bytes, and one object of 1.5 MiB in etcd (its default
limit) can be 20 MiB of JSON when it was written in protobuf. So a page that is too large is read again in smaller pieces,
and of one object that is too large by itself only the name is kept.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

Json = dict[str, Any]
# Decoded, a page takes about ten times its bytes in memory, and no other thread runs for some 50 ms.
LARGEST_PAGE: Final = 8 * 1024 * 1024
# The longest JSON of one object: 1.5 MiB of protobuf, of which 4 bytes become 25.
LARGEST_OBJECT: Final = 32 * 1024 * 1024
# A page that was too large is split so; a page that is this many times smaller than it may be is followed by one twice as long.
SPLIT: Final = 4


class TooLarge(Exception):  # noqa: N818 (a property of the answer)
    """The answer has more bytes than were asked for at most."""


# Reads at most so many objects from a continue token on, as bytes of at most a size.  Raises TooLarge.
Read = Callable[[int, str, int], bytes]


class Name(Struct, frozen=True):
    """What is kept of an object that is too large."""

    name: str = ""
    namespace: str = ""


class Outline(Struct, frozen=True):
    """An object without its content."""

    metadata: Name = Name()


class ListOutline(Struct, frozen=True):
    """A list without its objects' contents."""

    metadata: Json = {}
    items: tuple[Outline, ...] = ()


# Made once, at import: msgspec 0.20 crashes where two threads prepare one type at the same time.
LIST_OUTLINE: Final = msgspec.json.Decoder(ListOutline)


def pages(read: Read, *, size: int) -> Iterator[Json]:
    """The pages of a list, each of at most `size` objects; raises what `read` raises, and TooLarge above LARGEST_OBJECT.

    A page has `metadata`, `items`, and in `omitted` the names of objects that are too large to decode.
    """
    token, limit = "", size
    while True:
        try:
            content = read(limit, token, LARGEST_PAGE)
        except TooLarge:
            if limit > 1:
                limit = max(1, limit // SPLIT)
                continue
            page = outlined(read(1, token, LARGEST_OBJECT))
        else:
            page = msgspec.json.decode(content)
            if len(content) * SPLIT < LARGEST_PAGE:
                limit = min(size, limit * 2)
        yield page
        token = page["metadata"].get("continue") or ""
        if not token:
            return


def outlined(content: bytes) -> Json:
    """A page whose objects are only named."""
    found = LIST_OUTLINE.decode(content)
    return {"metadata": found.metadata, "items": [], "omitted": [called(one.metadata) for one in found.items]}


def called(found: Name) -> str:
    """An object by namespace and name."""
    return f"{found.namespace}/{found.name}" if found.namespace else found.name
