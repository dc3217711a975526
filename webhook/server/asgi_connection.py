"""One connection of the ASGI worker: gunicorn's protocol with a time limit for each step and a controlled shutdown."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from gunicorn.asgi.protocol import ASGIProtocol

from webhook.server.asgi_app import CONNECTION_KEY, AsgiCallable, Message, Receive, Scope, Send
from webhook.server.chunk_limit import ChunkCounter
from webhook.server.connection_tracker import ConnectionState, ConnectionTracker, TrackedConnection
from webhook.server.shutdown import has_unread_bytes, is_closed_by_peer

CLOSE: Final = (b"connection", b"close")


class AsgiConnection(ASGIProtocol, TrackedConnection):  # type: ignore[misc]
    """A connection that exists from its accept on, so that its handshake counts as well.

    gunicorn calls `app` once a request; asyncio calls the other methods.
    """

    def __init__(self, worker: Any, tracker: ConnectionTracker, accepted: socket.socket) -> None:
        ASGIProtocol.__init__(self, worker)
        TrackedConnection.__init__(self, tracker)
        self._app: AsgiCallable = worker.asgi
        self._on_unanswered: Callable[[], None] = worker.asgi.count_unanswered
        self.app: AsgiCallable = self._serve_request
        self.accepted = accepted
        self.handshake: asyncio.Task[None] | None = None
        self._buffered: list[bytes] = []  # chunks of one read that the app gets together

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve requests after the handshake."""
        self.end_handshake()
        super().connection_made(transport)
        if self.is_closed:
            self.drop()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        self.receive_bytes()
        super().data_received(data)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that either side has closed."""
        if (
            not self.is_closed and self.state is ConnectionState.RECEIVING_TRUSTED
        ):  # the client sent a request and disconnected at once
            self._on_unanswered()
        self._tracker.remove(self)
        super().connection_lost(exc)
        # TLS's buffers are large, and gunicorn's protocol has reference cycles that keep them until the next garbage collection.
        self.transport = self.writer = self._flow_control = None

    def _on_headers_complete(self) -> Any:
        """Begin to count the chunks of the body after the headers."""
        self.chunks = ChunkCounter()
        return super()._on_headers_complete()

    def _on_body(self, chunk: bytes) -> None:
        """Buffer a chunk of the body; one read may contain many small ones."""
        self.chunks.add(len(chunk))
        self._buffered.append(chunk)

    def _on_message_complete(self) -> None:
        """Pass the rest of the body to the app at the end of the request."""
        self._flush()
        super()._on_message_complete()

    def _flush(self) -> None:
        """Pass the chunks of one read to the app as one chunk."""
        if self._buffered:
            chunks, self._buffered = self._buffered, []
            super()._on_body(b"".join(chunks))

    def drop(self) -> None:
        """Abort the connection."""
        if self.transport is not None:
            self.transport.abort()
        elif self.handshake is not None:
            self.handshake.cancel()
        elif self.accepted.fileno() >= 0:  # its handshake has not begun
            self.worker.loop.remove_reader(self.accepted.fileno())
            self.accepted.close()

    @property
    def is_peer_closed(self) -> bool:
        """Return whether the client has closed the connection, even if the event loop has not noticed that yet."""
        if self.is_closed or self.transport is None or self.transport.is_closing():
            return True
        return is_closed_by_peer(self.transport.get_extra_info("socket"))

    def close_idle(self) -> None:
        """Close an idle connection; does nothing where unread bytes of the next request have arrived."""
        if self.transport is None:
            self._tracker.remove(self)
            self.drop()
        elif not self.transport.is_closing() and not has_unread_bytes(self.transport.get_extra_info("socket")):
            self._tracker.remove(self)
            self.transport.close()

    async def _serve_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app with this connection in the scope."""
        if self.is_last_response:
            return
        if scope["type"] != "http":
            self.drop()  # a WebSocket, which no route serves
            return
        scope.setdefault("extensions", {})[CONNECTION_KEY] = self
        self.end_headers()

        async def announce_close(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self.worker.is_shutting_down:
                    self.close_after_response()
                if self.is_last_response:
                    message["headers"] = [*message["headers"], CLOSE]
            await send(message)

        try:
            await self._app(scope, receive, announce_close)
        finally:
            self.become_idle()
            if self.is_last_response and self.transport is not None:
                self.transport.close()  # once the answer is sent
