"""The express lane: reviews answered on the event loop, a fifth of what they cost through Flask; the rest goes there.

The loop never blocks: an answer that has to ask the API server waits in a fair queue for one of a few threads, a review that takes
long to judge for a thread of such reviews alone. A caller who has no place in a queue is refused, to try again. A review is read
only after its sender is known to be the API server.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any

from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.review.beginning import HEAD_BYTES
from webhook.server.answer import Answerer, Waiting
from webhook.server.authentication import UNAUTHENTICATED, Check, NoCheck, Sender, review_path
from webhook.server.body_budget import BodyBudget, BodyReservation
from webhook.server.chunk_limit import TOO_MANY_CHUNKS
from webhook.server.connection_tracker import ConnectionTracker, TrackedConnection
from webhook.server.fairness import AnswerQueues, NoPlace
from webhook.server.intake import JSON, MOST_DISCARDED, NO_ROOM, TOO_SLOW, CallerLeft, Reply, Unread, wrong_type
from webhook.server.limits import BODY_SECONDS, MAX_BODY_BYTES
from webhook.server.patience import seconds_to_answer
from webhook.server.peers import names_of_connection

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where the scope names the `Caller`, which is the connection that the request came over.
CALLER = "catflap.caller"
CLOSE = (b"connection", b"close")


class Lane:
    """An ASGI app around another one, which gets all that is no review.

    `check` tells the API server from other callers, before their bodies are read.
    """

    def __init__(
        self,
        answerer: Answerer,
        other: AsgiApp,
        *,
        body_budget: BodyBudget | None = None,
        check: Check | None = None,
        queues: AnswerQueues | None = None,
    ) -> None:
        self._answerer = answerer
        self._other = other
        self._body_budget = body_budget or BodyBudget()
        self._check = check or NoCheck()
        self._queues = queues or AnswerQueues()
        self._waiting: set[asyncio.Future[Reply | Waiting]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = review_path(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._other(scope, receive, send)
            return
        until = monotonic() + seconds_to_answer(scope.get("query_string", b"").decode("latin-1"))
        headers = [(b"content-type", JSON.encode())]
        caller: TrackedConnection = scope.get("extensions", {}).get(CALLER) or TrackedConnection(ConnectionTracker())
        authentication = self._check.authenticate(Sender(found.token, partial(names_of_connection, caller)))
        if authentication is None:
            reply = self._answerer.refuse(UNAUTHENTICATED)
            caller.close_after_response()
            headers.append(CLOSE)  # its body is not read, so no other request can follow
        else:
            try:
                reply = await self._review(found.phase, authentication, caller, scope, receive, until)
            except (CallerLeft, asyncio.CancelledError) as left:
                self._answerer.late.count()
                if isinstance(left, CallerLeft):
                    return
                raise
            if caller.is_peer_closed or monotonic() > until:
                self._answerer.late.count()
            if caller.is_last_response:
                headers.append(CLOSE)
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        if caller.drains_body:
            await discard(receive)

    def count_unanswered(self) -> None:
        """A caller that had sent good reviews left after another one came, and before that was handed to this app."""
        self._answerer.late.count()

    def give_up(self) -> None:
        """Refuse everything that still waits, as this process ends."""
        for waiting in [*self._waiting]:
            waiting.cancel()

    async def _review(  # noqa: PLR0917 (each is of another type)
        self,
        phase: Phase,
        authentication: Authentication,
        caller: TrackedConnection,
        scope: Scope,
        receive: Receive,
        until: float,
    ) -> Reply:
        content_type, length = content_of(scope)
        refusal = wrong_type(content_type)
        limit = asyncio.timeout(BODY_SECONDS)
        with self._body_budget.reserve(is_trusted=caller.is_trusted, drop=lambda: limit.reschedule(0.0)) as held:
            body: bytes | Unread | None = None
            try:
                async with limit:
                    body = await self._whole_body(receive, held, caller, length)
            except TimeoutError:
                refusal = NO_ROOM if held.is_dropped else TOO_SLOW
            if caller.chunks.is_exceeded:
                caller.close_after_response()  # the rest is not read
                return self._answerer.refuse(TOO_MANY_CHUNKS)
            if isinstance(body, Unread):
                caller.close_after_response()
                caller.drains_body = True
            if refusal is not None or body is None:
                return self._answerer.refuse(refusal or NO_ROOM)
            caller.end_request()
            reply = await self._answer(phase, body, authentication, until)
        if reply.status == HTTPStatus.OK:
            caller.trust()
        if caller.drains_body:
            caller.end_headers()  # which gives the rest of the body as much time as a body has
        return reply

    async def _answer(self, phase: Phase, body: bytes | Unread, authentication: Authentication, until: float) -> Reply:
        """The reply to a review, at once or after the turns of its steps."""
        answered = self._answerer.answer(phase, body, authentication, until=until)
        while isinstance(answered, Waiting):
            answered = await self._finished(answered)
        return answered

    async def _finished(self, step: Waiting) -> Reply | Waiting:
        """What a step leads to, or a refusal where it has no place to wait in."""
        waiting = asyncio.wrap_future(self._queues.submit(step.share, step.finish, heavy=step.heavy))
        self._waiting.add(waiting)
        try:
            await asyncio.wait((waiting,))
        except asyncio.CancelledError:  # the caller left
            waiting.cancel()
            raise
        finally:
            self._waiting.discard(waiting)
        if waiting.cancelled() or isinstance(waiting.exception(), NoPlace):
            return step.give_up()
        return waiting.result()

    async def _whole_body(
        self, receive: Receive, held: BodyReservation, caller: TrackedConnection, length: int
    ) -> bytes | Unread | None:
        """The body in one piece, or its beginning where it is larger than the limit; `length` is what its header claims, or 0.

        None where there is no room for it, or where it comes in too many pieces.  Raises CallerLeft.
        """
        body = bytearray()  # not a list: a caller may send its body byte by byte
        most = HEAD_BYTES if length > MAX_BODY_BYTES else MAX_BODY_BYTES
        more = True
        while more and len(body) <= most:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft
            chunk, more = message.get("body", b""), message.get("more_body", False)
            if caller.chunks.is_exceeded or not self._body_budget.grow(held, len(chunk)):
                return None
            body += chunk
        if len(body) > most or length > MAX_BODY_BYTES:
            self._body_budget.shrink(held, HEAD_BYTES)
            return Unread(bytes(body[:HEAD_BYTES]))
        self._body_budget.finish(held)
        return bytes(body)


async def discard(receive: Receive) -> None:
    """Read what is left of a body, so that the caller reads the answer instead of a broken pipe; the API server hangs up at once."""
    left = MOST_DISCARDED
    while left > 0:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return
        left -= len(message["body"])


def content_of(scope: Scope) -> tuple[str, int]:
    """The type of a body, and its length, which is 0 where the headers do not say it."""
    headers = dict(scope["headers"])
    return headers.get(b"content-type", b"").decode("latin-1"), int(headers.get(b"content-length", b"0") or b"0")
