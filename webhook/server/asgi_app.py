"""The ASGI app: it answers reviews on the event loop at a fifth of Flask's cost, and passes other requests to Flask.

The event loop never blocks. A review that needs a lookup in the cluster waits in a fair queue for one of a few threads, and a
review that takes long to decide waits for a thread that serves only such reviews. A caller whose step the queue rejects gets a
refusal and may try again. A body is read only after its sender is authenticated.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any

from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.review.truncated_review import HEAD_BYTES
from webhook.server.answer_deadline import answer_timeout
from webhook.server.authentication import UNAUTHENTICATED, AllowAllAuthenticator, Authenticator, Sender, review_path
from webhook.server.body_budget import BodyBudget, BodyReservation
from webhook.server.chunk_limit import TOO_MANY_CHUNKS
from webhook.server.client_certificate import names_from_asgi
from webhook.server.connection_tracker import ConnectionTracker, TrackedConnection
from webhook.server.fair_queue import QueueRejected, ReviewQueues
from webhook.server.http_reply import (
    BODY_BUDGET_EXCEEDED,
    BODY_TIMEOUT,
    JSON,
    MAX_DISCARDED_BYTES,
    ClientDisconnected,
    HttpReply,
    TruncatedBody,
    check_content_type,
)
from webhook.server.limits import BODY_SECONDS, MAX_BODY_BYTES
from webhook.server.review_handler import ReviewHandler
from webhook.server.review_steps import Deferred

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiCallable = Callable[[Scope, Receive, Send], Awaitable[None]]

# The key of the scope's extensions that holds the `TrackedConnection` of the request.
CONNECTION_KEY = "catflap.caller"


class ReviewMiddleware:
    """ASGI middleware that answers reviews and passes every other request to the app `other`.

    `authenticator` recognises the API server before a body is read.
    """

    def __init__(
        self,
        handler: ReviewHandler,
        other: AsgiCallable,
        *,
        body_budget: BodyBudget | None = None,
        authenticator: Authenticator | None = None,
        queues: ReviewQueues | None = None,
    ) -> None:
        self._handler = handler
        self._other = other
        self._body_budget = body_budget or BodyBudget()
        self._authenticator = authenticator or AllowAllAuthenticator()
        self._queues = queues or ReviewQueues()
        self._running: set[asyncio.Future[HttpReply | Deferred]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = review_path(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._other(scope, receive, send)
            return
        until = monotonic() + answer_timeout(scope.get("query_string", b"").decode("latin-1"))
        connection: TrackedConnection = scope.get("extensions", {}).get(CONNECTION_KEY) or TrackedConnection(
            ConnectionTracker()
        )
        authentication = self._authenticator.authenticate(Sender(found.token, partial(names_from_asgi, connection)))
        if authentication is None:
            reply = self._handler.count_rejected(UNAUTHENTICATED)
            connection.close_after_response()  # the body is not read, so no request can follow it
        else:
            try:
                reply = await self._handle_review(found.phase, authentication, connection, scope, receive, until)
            except (ClientDisconnected, asyncio.CancelledError) as error:
                self._handler.late_reviews.count()
                if isinstance(error, ClientDisconnected):
                    return
                raise
            if connection.is_peer_closed or monotonic() > until:
                self._handler.late_reviews.count()
        headers = [(b"content-type", JSON.encode()), (b"content-length", str(len(reply.body)).encode())]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        if connection.drains_body:
            await drain(receive)

    def count_unanswered(self) -> None:
        """Count a review whose trusted client disconnected before this app was called."""
        self._handler.late_reviews.count()

    def reject_waiting(self) -> None:
        """Reject every review that waits, when the process ends."""
        for step in [*self._running]:
            step.cancel()

    async def _handle_review(  # noqa: PLR0917 (each is of another type)
        self,
        phase: Phase,
        authentication: Authentication,
        connection: TrackedConnection,
        scope: Scope,
        receive: Receive,
        until: float,
    ) -> HttpReply:
        content_type, length = content_headers(scope)
        refusal = check_content_type(content_type)
        limit = asyncio.timeout(BODY_SECONDS)
        with self._body_budget.reserve(is_trusted=connection.is_trusted, drop=lambda: limit.reschedule(0.0)) as held:
            body: bytes | TruncatedBody | None = None
            try:
                async with limit:
                    body = await self._read_body(receive, held, connection, length)
            except TimeoutError:
                refusal = BODY_BUDGET_EXCEEDED if held.is_dropped else BODY_TIMEOUT
            if connection.chunks.is_exceeded:
                connection.close_after_response()  # the rest is not read
                return self._handler.count_rejected(TOO_MANY_CHUNKS)
            if isinstance(body, TruncatedBody):
                connection.close_after_response()
                connection.drains_body = True
            if refusal is not None or body is None:
                return self._handler.count_rejected(refusal or BODY_BUDGET_EXCEEDED)
            connection.end_request()
            reply = await self._get_reply(phase, body, authentication, until)
        if reply.status == HTTPStatus.OK:
            connection.trust()
        if connection.drains_body:
            connection.end_headers()  # starts the time limit of a body again, for the rest of it
        return reply

    async def _get_reply(
        self, phase: Phase, body: bytes | TruncatedBody, authentication: Authentication, until: float
    ) -> HttpReply:
        """Return the reply to a review, after the deferred steps that it needs."""
        answered = self._handler.handle(phase, body, authentication, until=until)
        while isinstance(answered, Deferred):
            answered = await self._run_step(answered)
        return answered

    async def _run_step(self, step: Deferred) -> HttpReply | Deferred:
        """Run a step in its queue; return its result, or a refusal where the queue rejects it."""
        waiting = asyncio.wrap_future(self._queues.submit(step.flow, step.complete, is_heavy=step.is_heavy))
        self._running.add(waiting)
        try:
            await asyncio.wait((waiting,))
        except asyncio.CancelledError:  # the client disconnected
            waiting.cancel()
            raise
        finally:
            self._running.discard(waiting)
        if waiting.cancelled() or isinstance(waiting.exception(), QueueRejected):
            return step.reject()
        return waiting.result()

    async def _read_body(
        self, receive: Receive, held: BodyReservation, connection: TrackedConnection, length: int
    ) -> bytes | TruncatedBody | None:
        """Return the whole body, or its beginning where it is larger than the limit.

        `length` is the Content-Length, or 0. The result is None where the byte budget is used up, or where the body arrives in too
        many chunks. Raises ClientDisconnected.
        """
        body = bytearray()  # not a list, as a client may send its body byte by byte
        most = HEAD_BYTES if length > MAX_BODY_BYTES else MAX_BODY_BYTES
        more = True
        while more and len(body) <= most:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            chunk, more = message.get("body", b""), message.get("more_body", False)
            if connection.chunks.is_exceeded or not self._body_budget.grow(held, len(chunk)):
                return None
            body += chunk
        if len(body) > most or length > MAX_BODY_BYTES:
            self._body_budget.shrink(held, HEAD_BYTES)
            return TruncatedBody(bytes(body[:HEAD_BYTES]))
        self._body_budget.finish(held)
        return bytes(body)


async def drain(receive: Receive) -> None:
    """Read and discard the rest of a body, so that the client reads the answer instead of a broken pipe.

    The API server closes the connection at once.
    """
    left = MAX_DISCARDED_BYTES
    while left > 0:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return
        left -= len(message["body"])


def content_headers(scope: Scope) -> tuple[str, int]:
    """Return the Content-Type and the Content-Length; the length is 0 where the header is missing."""
    headers = dict(scope["headers"])
    return headers.get(b"content-type", b"").decode("latin-1"), int(headers.get(b"content-length", b"0") or b"0")
