"""Read lists in pages that fit into memory, whatever the size of the objects.

The API server limits a page by its number of objects, not by its bytes. One object of 1.5 MiB in etcd (its default limit) can be 20 MiB
of JSON when it was written in protobuf. So a page that is too large is read again in smaller pages. Of a single object that is too large,
only the name is kept.
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
# The number of objects is divided by this after a page that was too large; it doubles after a page of less than this part of the limit.
SPLIT: Final = 4


class TooLarge(Exception):  # noqa: N818 (a property of the answer)
    """The response has more bytes than the caller accepts."""


# Reads a page: the number of objects, the continue token, and the maximum number of bytes.  Raises TooLarge.
Read = Callable[[int, str, int], bytes]


class PartialMetadata(Struct, frozen=True):
    """The name of an object that is too large."""

    name: str = ""
    namespace: str = ""


class ObjectOutline(Struct, frozen=True):
    """An object reduced to its name."""

    metadata: PartialMetadata = PartialMetadata()


class ListOutline(Struct, frozen=True):
    """A list with the names of its objects only."""

    metadata: Json = {}
    items: tuple[ObjectOutline, ...] = ()


# Made once, at import: msgspec 0.20 crashes where two threads prepare one type at the same time.
LIST_OUTLINE: Final = msgspec.json.Decoder(ListOutline)


def pages(read: Read, *, size: int) -> Iterator[Json]:
    """Yield the pages of a list, each of at most `size` objects; raises what `read` raises, and TooLarge above LARGEST_OBJECT.

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
            page = outline_page(read(1, token, LARGEST_OBJECT))
        else:
            page = msgspec.json.decode(content)
            if len(content) * SPLIT < LARGEST_PAGE:
                limit = min(size, limit * 2)
        yield page
        token = page["metadata"].get("continue") or ""
        if not token:
            return


def outline_page(content: bytes) -> Json:
    """Return a page that has only the names of its objects."""
    found = LIST_OUTLINE.decode(content)
    return {"metadata": found.metadata, "items": [], "omitted": [qualified_name(one.metadata) for one in found.items]}


def qualified_name(found: PartialMetadata) -> str:
    """Return the name of an object with its namespace."""
    return f"{found.namespace}/{found.name}" if found.namespace else found.name
