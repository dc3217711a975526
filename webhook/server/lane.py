"""The express lane: reviews answered on the event loop, a fifth of what they cost through Flask; the rest goes there.

The loop never blocks: an answer that has to ask the API server is finished in a small pool of threads, a review that takes long
to judge in a thread for such reviews alone. While a pool is full, what would wait for it is refused at once, for the caller to
try again.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from webhook.model.decision import Phase
from webhook.server.answer import Answerer, Waiting
from webhook.server.intake import JSON, LARGEST_BODY, MOST_DISCARDED, TOO_LARGE, Reply, refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

PHASES = {f"/{phase}": phase for phase in Phase}
# Each waits for two or three requests to the API server, of some milliseconds each.
THREADS = 8
# At 10 ms each the last one waits for 80 ms; if the API server is so slow that it matters, refusing is the answer.
MOST_WAITING = 64
# Heavy steps compute, so two at once would take twice as long each, and more of the interpreter from the event loop.
# One takes 0.2 s as a rule, so that the last one waits for less than the 4 s that a request has.
MOST_HEAVY = 16


class Pool:
    """Threads for the steps of one kind, and how many of them may wait at most."""

    def __init__(self, name: str, *, threads: int, most: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = most
        self._waiting = 0

    async def finish(self, step: Waiting) -> Reply | Waiting:
        """What a step leads to; a refusal at once where too many wait."""
        if self._waiting >= self._most:
            return step.give_up()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, step.finish)
        finally:
            self._waiting -= 1


class Lane:
    """An ASGI app around another one, which gets all that is no review."""

    def __init__(self, answerer: Answerer, other: AsgiApp) -> None:
        self._answerer = answerer
        self._other = other
        self._asking = Pool("ask", threads=THREADS, most=MOST_WAITING)
        self._heavy = Pool("judge", threads=1, most=MOST_HEAVY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        phase = PHASES.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if phase is None:
            await self._other(scope, receive, send)
            return
        reply = await self._review(phase, scope, receive)
        length = str(len(reply.body)).encode()
        headers = [(b"content-type", JSON.encode()), (b"content-length", length)]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _review(self, phase: Phase, scope: Scope, receive: Receive) -> Reply:
        content_type = content_length = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value
            elif name == b"content-length":
                content_length = value
        refusal = refused(content_type.decode("latin-1"), int(content_length or b"0"))
        body = await whole_body(receive)
        if refusal is not None or body is None:
            return self._answerer.refuse(refusal or TOO_LARGE)
        answered = self._answerer.answer(phase, body)
        while isinstance(answered, Waiting):
            answered = await (self._heavy if answered.heavy else self._asking).finish(answered)
        return answered


async def whole_body(receive: Receive) -> bytes | None:
    """The body in one piece; None where it grows above the limit, whatever its header said."""
    chunks: list[bytes] = []
    size = 0
    while size <= MOST_DISCARDED:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > LARGEST_BODY:
            chunks.clear()
        else:
            chunks.append(chunk)
        if not message.get("more_body"):
            break
    return b"".join(chunks) if size <= LARGEST_BODY else None
