"""One connection of the express lane: gunicorn's protocol, with a time for each step and an end that we decide on."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol

from webhook.server.crowd import Caller, Crowd, State
from webhook.server.ending import has_unread, is_ended_by_peer
from webhook.server.lane import CALLER, AsgiApp, Receive, Scope, Send
from webhook.server.pieces import Pieces


class Connection(ASGIProtocol, Caller):  # type: ignore[misc]
    """Made when a connection is accepted, so that its handshake counts as well.

    gunicorn calls `app` once a request; asyncio calls the other methods.
    """

    def __init__(self, worker: Any, crowd: Crowd, accepted: socket.socket) -> None:
        ASGIProtocol.__init__(self, worker)
        Caller.__init__(self, crowd)
        self._answer: AsgiApp = worker.asgi
        self._on_unanswered: Callable[[], None] = worker.asgi.count_unanswered
        self.app: AsgiApp = self._answered
        self.accepted = accepted
        self.handshake: asyncio.Task[None] | None = None
        self._chunks: list[bytes] = []  # of one read, handed on together

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is over."""
        self.greeted()
        super().connection_made(transport)
        if self.has_left:
            self.drop()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request came."""
        self.sends()
        super().data_received(data)
        self._hand_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whichever side."""
        if not self.has_left and self.state is State.SENDING_KNOWN:  # a request came, and its end came with it
            self._on_unanswered()
        self._crowd.leave(self)
        super().connection_lost(exc)
        # TLS's buffers are large, and what is left of gunicorn's protocol refers to itself until the garbage is collected.
        self.transport = self.writer = self._flow_control = None

    def _on_headers_complete(self) -> Any:
        """The headers are whole, and the pieces of this request's body are counted from now on."""
        self.pieces = Pieces()
        return super()._on_headers_complete()

    def _on_body(self, chunk: bytes) -> None:
        """A chunk of the body came, one of many in this read where somebody sends them one byte at a time."""
        self.pieces.add(len(chunk))
        self._chunks.append(chunk)

    def _on_message_complete(self) -> None:
        """The request is whole."""
        self._hand_on()
        super()._on_message_complete()

    def _hand_on(self) -> None:
        """Give the app what came in one read as one piece."""
        if self._chunks:
            chunks, self._chunks = self._chunks, []
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
    def hung_up(self) -> bool:
        """Whether the other side has left, even if the event loop was too busy to notice that yet."""
        if self.has_left or self.transport is None or self.transport.is_closing():
            return True
        return is_ended_by_peer(self.transport.get_extra_info("socket"))

    def hang_up(self) -> None:
        """Close a connection that has nothing under way; one whose next request came but was not read yet stays."""
        if self.transport is None:
            self._crowd.leave(self)
            self.drop()
        elif not self.transport.is_closing() and not has_unread(self.transport.get_extra_info("socket")):
            self._crowd.leave(self)
            self.transport.close()

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request to the app, which finds this connection in the scope."""
        if self.has_ended:
            return
        if scope["type"] != "http":
            self.drop()  # a WebSocket: nothing here speaks it
            return
        scope.setdefault("extensions", {})[CALLER] = self
        self.sent_headers()
        try:
            await self._answer(scope, receive, send)
        finally:
            self.rests()
            if self.has_ended and self.transport is not None:
                self.transport.close()  # once the answer is sent
