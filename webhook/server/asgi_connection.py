"""One connection of the express lane: gunicorn's protocol, with a time for each step and an end that we decide on."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol

from webhook.server.chunk_limit import ChunkCounter
from webhook.server.connection_tracker import ConnectionState, ConnectionTracker, TrackedConnection
from webhook.server.lane import CALLER, AsgiApp, Receive, Scope, Send
from webhook.server.shutdown import has_unread_bytes, is_closed_by_peer


class AsgiConnection(ASGIProtocol, TrackedConnection):  # type: ignore[misc]
    """Made when a connection is accepted, so that its handshake counts as well.

    gunicorn calls `app` once a request; asyncio calls the other methods.
    """

    def __init__(self, worker: Any, tracker: ConnectionTracker, accepted: socket.socket) -> None:
        ASGIProtocol.__init__(self, worker)
        TrackedConnection.__init__(self, tracker)
        self._app: AsgiApp = worker.asgi
        self._on_unanswered: Callable[[], None] = worker.asgi.count_unanswered
        self.app: AsgiApp = self._serve_request
        self.accepted = accepted
        self.handshake: asyncio.Task[None] | None = None
        self._buffered: list[bytes] = []  # of one read, handed on together

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        self.end_handshake()
        super().connection_made(transport)
        if self.is_closed:
            self.drop()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request came."""
        self.receive_bytes()
        super().data_received(data)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whichever side."""
        if (
            not self.is_closed and self.state is ConnectionState.RECEIVING_TRUSTED
        ):  # a request came, and its end came with it
            self._on_unanswered()
        self._tracker.remove(self)
        super().connection_lost(exc)
        # TLS's buffers are large, and what is left of gunicorn's protocol refers to itself until the garbage is collected.
        self.transport = self.writer = self._flow_control = None

    def _on_headers_complete(self) -> Any:
        """The headers are whole, and the pieces of this request's body are counted from now on."""
        self.chunks = ChunkCounter()
        return super()._on_headers_complete()

    def _on_body(self, chunk: bytes) -> None:
        """A chunk of the body came, one of many in this read where somebody sends them one byte at a time."""
        self.chunks.add(len(chunk))
        self._buffered.append(chunk)

    def _on_message_complete(self) -> None:
        """The request is whole."""
        self._flush()
        super()._on_message_complete()

    def _flush(self) -> None:
        """Give the app what came in one read as one piece."""
        if self._buffered:
            chunks, self._buffered = self._buffered, []
            super()._on_body(b"".join(chunks))

    def drop(self) -> None:
        """End the connection at once."""
        if self.transport is not None:
            self.transport.abort()
        elif self.handshake is not None:
            self.handshake.cancel()
        elif self.accepted.fileno() >= 0:  # it has sent nothing, or waits for its turn
            self.worker.loop.remove_reader(self.accepted.fileno())
            self.accepted.close()

    @property
    def is_peer_closed(self) -> bool:
        """Whether the other side has left, even if the event loop was too busy to notice that yet."""
        if self.is_closed or self.transport is None or self.transport.is_closing():
            return True
        return is_closed_by_peer(self.transport.get_extra_info("socket"))

    def close_idle(self) -> None:
        """Close a connection that has nothing under way; one whose next request came but was not read yet stays."""
        if self.transport is None:
            self._tracker.remove(self)
            self.drop()
        elif not self.transport.is_closing() and not has_unread_bytes(self.transport.get_extra_info("socket")):
            self._tracker.remove(self)
            self.transport.close()

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request to the app, which finds this connection in the scope."""
        if self.is_last_response:
            return
        if scope["type"] != "http":
            self.drop()  # a WebSocket: nothing here speaks it
            return
        scope.setdefault("extensions", {})[CALLER] = self
        self.end_headers()
        try:
            await self._app(scope, receive, send)
        finally:
            self.become_idle()
            if self.is_last_response and self.transport is not None:
                self.transport.close()  # once the answer is sent
