"""In how many pieces a body may arrive: chunks of HTTP's chunked encoding, and reads from the connection."""

from http import HTTPStatus
from typing import Final

from webhook.server.intake import bad_review

# Each piece costs some microseconds whatever its size. Go's TLS begins with records of 1,400 bytes (crypto/tls, maxPayloadSizeForWrite),
# and the API server sends no chunks, so that a body of the largest size arrives in 6,000 pieces at most.
FREE_CHUNKS: Final = 256
MIN_MEAN_CHUNK_BYTES: Final = 256
MESSAGE: Final = "it arrives in too many pieces; send 1,024 bytes or more in each chunk, or no chunks at all"
TOO_MANY_CHUNKS: Final = bad_review(HTTPStatus.BAD_REQUEST, f"body: {MESSAGE}")


class TooManyChunksError(OSError):
    """A body arrives in pieces that are too small; gunicorn's readers pass an OSError through."""


class ChunkCounter:
    """Counts the pieces of one body."""

    __slots__ = ("count", "size")

    def __init__(self) -> None:
        self.count = 0
        self.size = 0

    def add(self, size: int) -> None:
        """A piece of so many bytes arrived."""
        self.count += 1
        self.size += size

    @property
    def is_exceeded(self) -> bool:
        """Whether the pieces are too small on average."""
        return self.count > FREE_CHUNKS + self.size // MIN_MEAN_CHUNK_BYTES
