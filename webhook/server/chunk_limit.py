"""A limit on the chunks of a body: those of HTTP's chunked encoding, and reads from the connection."""

from http import HTTPStatus
from typing import Final

from webhook.server.http_reply import error_reply

# Each chunk costs some microseconds, independent of its size. Go's TLS begins with records of 1,400 bytes (crypto/tls,
# maxPayloadSizeForWrite), and the API server does not use chunked encoding, so the largest body arrives in at most 6,000 reads.
FREE_CHUNKS: Final = 256
MIN_MEAN_CHUNK_BYTES: Final = 256
MESSAGE: Final = "the body has too many chunks; send at least 1,024 bytes in each chunk, or send no chunks"
TOO_MANY_CHUNKS: Final = error_reply(HTTPStatus.BAD_REQUEST, f"body: {MESSAGE}")


class TooManyChunksError(OSError):
    """A body arrives in chunks that are too small; an OSError, as gunicorn's readers let one pass."""


class ChunkCounter:
    """Counts the chunks of one body."""

    __slots__ = ("count", "size")

    def __init__(self) -> None:
        self.count = 0
        self.size = 0

    def add(self, size: int) -> None:
        """Count a chunk of `size` bytes."""
        self.count += 1
        self.size += size

    @property
    def is_exceeded(self) -> bool:
        """Return whether the chunks are too small on average."""
        return self.count > FREE_CHUNKS + self.size // MIN_MEAN_CHUNK_BYTES
