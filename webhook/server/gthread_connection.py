"""One connection of the threaded worker: gunicorn's connection with a time limit for each step and a limit on chunks."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from gunicorn.http.body import ChunkedReader
from gunicorn.workers.gthread import TConn

from webhook.server.chunk_limit import MESSAGE, ChunkCounter, TooManyChunksError
from webhook.server.connection_tracker import ConnectionTracker, TrackedConnection
from webhook.server.shutdown import is_closed_by_peer

IMMEDIATE_SECONDS: Final = 0.001
MAX_DRAINED_BYTES: Final = 64 * 1024


class GthreadConnection(TConn, TrackedConnection):  # type: ignore[misc]
    """One connection: the main thread waits for its bytes, and a thread of a pool reads and answers each request."""

    def __init__(
        self,
        worker: Any,
        tracker: ConnectionTracker,
        accepted: socket.socket,
        address: Any,
        server: Any,
    ) -> None:
        TConn.__init__(self, worker.cfg, accepted, address, server)
        TrackedConnection.__init__(self, tracker)
        self._worker = worker
        self.thread_since = 0.0  # when a thread began to serve it; 0 while no thread does
        self.in_body = False

    def drop(self) -> None:
        """Close the connection in the main thread, which may wait for its bytes."""
        self._worker.method_queue.defer(self._worker.close_connection, self)

    @property
    def is_peer_closed(self) -> bool:
        """Return whether the client has closed the connection, even if the main thread has not noticed that yet."""
        return self.is_closed or is_closed_by_peer(self.sock)

    def stop_receiving(self) -> None:
        """Make the read of its thread fail; OpenSSL sends nothing after that, so there is no answer."""
        self._shut(socket.SHUT_RDWR)

    def end_body_wait(self) -> None:
        """Make its thread answer without waiting for the rest of the body."""
        self.is_body_late = True
        self.sock.settimeout(IMMEDIATE_SECONDS)

    def close(self, graceful: bool = False) -> None:  # noqa: FBT002 (gunicorn's signature)
        """Close the connection.

        `graceful` reads the bytes that have arrived, without waiting for more: unread bytes would make the kernel reset the connection,
        and the client would lose the answer.
        """
        self._tracker.remove(self)
        if graceful:
            self._shut(socket.SHUT_WR)
            with suppress(OSError):
                self.sock.settimeout(0)
                self.sock.recv(MAX_DRAINED_BYTES)
        super().close()

    def _shut(self, how: int) -> None:
        with suppress(OSError):  # SSLSocket's own method would remove the TLS state that the reading thread uses
            socket.socket.shutdown(self.sock, how)


@contextmanager
def count_chunks(req: Any, chunks: ChunkCounter) -> Iterator[None]:
    """Make the readers of a body count its chunks, and raise TooManyChunksError for too many."""
    unreader, reader = req.unreader, req.body.reader

    def add(chunk: bytes) -> bytes:
        chunks.add(len(chunk))
        if chunks.is_exceeded:
            raise TooManyChunksError(MESSAGE)
        return chunk

    unreader.chunk = lambda size_hint=None: add(type(unreader).chunk(unreader, size_hint))
    if isinstance(reader, ChunkedReader):
        reader.parser = map(add, reader.parser)
    try:
        yield
    finally:
        del unreader.chunk
