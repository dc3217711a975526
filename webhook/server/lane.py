"""The express lane: reviews answered on the event loop, a fifth of what they cost through Flask; the rest goes there.

The loop never blocks: an answer that has to ask the API server is finished in a small pool of threads, a review that takes long
to judge in a thread for such reviews alone. While a pool is full, what would wait for it is refused at once, for the caller to
try again.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from webhook.model.decision import Phase
from webhook.server.answer import Answerer, Waiting
from webhook.server.bodies import Bodies, Body
from webhook.server.crowd import Caller, Crowd
from webhook.server.intake import JSON, MOST_DISCARDED, NO_ROOM, TOO_LARGE, TOO_SLOW, CallerLeft, Reply, refused
from webhook.server.limits import BODY_SECONDS, LARGEST_BODY

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
# The refusal of a caller that may not send reviews, judged by the request's path, headers and connection; None for one that may.
Authenticate = Callable[[Scope], Reply | None]

PHASES = {f"/{phase}": phase for phase in Phase}
# Where the scope names the `Caller`, which is the connection that the request came over.
CALLER = "catflap.caller"
# Each waits for two or three requests to the API server, of some milliseconds each.
THREADS = 8
# At 10 ms each the last one waits for 80 ms; if the API server is so slow that it matters, refusing is the answer.
MOST_WAITING = 64
# Heavy steps compute, so two at once would take twice as long each, and more of the interpreter from the event loop.
# One takes 0.2 s as a rule, so that the last one waits for less than the 4 s that a request has.
MOST_HEAVY = 16
CLOSE = (b"connection", b"close")


def anyone(_scope: Scope) -> Reply | None:
    """Every caller may send reviews."""
    return None


class Pool:
    """Threads for the steps of one kind, and how many of them may wait at most."""

    def __init__(self, name: str, *, threads: int, most: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = most
        self._waiting: set[asyncio.Future[Reply | Waiting]] = set()

    async def finish(self, step: Waiting) -> Reply | Waiting:
        """What a step leads to; a refusal at once where too many wait, and as soon as `give_up` is called."""
        if len(self._waiting) >= self._most:
            return step.give_up()
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, step.finish)
        self._waiting.add(waiting)
        try:
            await asyncio.wait((waiting,))
        except asyncio.CancelledError:  # the caller left
            waiting.cancel()
            raise
        finally:
            self._waiting.discard(waiting)
        return step.give_up() if waiting.cancelled() else waiting.result()

    def give_up(self) -> None:
        """Refuse every step that still waits."""
        for waiting in [*self._waiting]:
            waiting.cancel()


class Lane:
    """An ASGI app around another one, which gets all that is no review.

    `authenticate` refuses callers before their bodies are read.
    """

    def __init__(
        self,
        answerer: Answerer,
        other: AsgiApp,
        *,
        bodies: Bodies | None = None,
        authenticate: Authenticate = anyone,
    ) -> None:
        self._answerer = answerer
        self._other = other
        self._bodies = bodies or Bodies()
        self._authenticate = authenticate
        self._asking = Pool("ask", threads=THREADS, most=MOST_WAITING)
        self._heavy = Pool("judge", threads=1, most=MOST_HEAVY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        phase = PHASES.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if phase is None:
            await self._other(scope, receive, send)
            return
        headers = [(b"content-type", JSON.encode())]
        reply = self._authenticate(scope)
        if reply is not None:
            headers.append(CLOSE)  # its body is not read, so no other request can follow
        else:
            try:
                reply = await self._review(phase, scope, receive)
            except CallerLeft:
                return
        headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    def give_up(self) -> None:
        """Refuse everything that still waits in a pool, as this process ends."""
        self._asking.give_up()
        self._heavy.give_up()

    async def _review(self, phase: Phase, scope: Scope, receive: Receive) -> Reply:
        caller = scope.get("extensions", {}).get(CALLER) or Caller(Crowd())
        refusal = refusal_of(scope)
        limit = asyncio.timeout(BODY_SECONDS)
        with self._bodies.receiving(known=caller.known, drop=lambda: limit.reschedule(0.0)) as held:
            try:
                async with limit:
                    body = await self._whole_body(receive, held)
            except TimeoutError:
                refusal = NO_ROOM if held.is_dropped else TOO_SLOW
            if refusal is not None or body is None:
                return self._answerer.refuse(refusal or (NO_ROOM if held.is_dropped else TOO_LARGE))
            caller.sent_request()
            reply = await self._answer(phase, body)
        if reply.status == HTTPStatus.OK:
            caller.trust()
        return reply

    async def _answer(self, phase: Phase, body: bytes) -> Reply:
        """The reply to a whole review, at once or after a wait in the pool."""
        answered = self._answerer.answer(phase, body)
        while isinstance(answered, Waiting):
            answered = await (self._heavy if answered.heavy else self._asking).finish(answered)
        return answered

    async def _whole_body(self, receive: Receive, held: Body) -> bytes | None:
        """The body in one piece; None where it is larger than the limit, whatever its header claims, or where there is no room.

        Raises CallerLeft.
        """
        chunks: list[bytes] = []
        size = 0
        while size <= MOST_DISCARDED:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > LARGEST_BODY:
                chunks.clear()
            elif self._bodies.grow(held, len(chunk)):
                chunks.append(chunk)
            else:
                return None
            if not message.get("more_body"):
                self._bodies.finish(held)
                break
        return b"".join(chunks) if size <= LARGEST_BODY else None


def refusal_of(scope: Scope) -> Reply | None:
    """The refusal that the headers of a request call for."""
    content_type = content_length = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-length":
            content_length = value
    return refused(content_type.decode("latin-1"), int(content_length or b"0"))
