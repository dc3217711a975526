"""The express lane: reviews answered on the event loop, a fifth of what they cost through Flask; the rest goes there.

The loop never blocks: an answer that has to ask the API server waits in a fair queue for one of a few threads, and a caller
who has no place there is refused, to try again. A review is read only after its sender is known to be the API server.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.server.answer import Answerer, Waiting
from webhook.server.authentication import Check, NoCheck, Sender, review_path, unauthenticated
from webhook.server.fairness import AnswerQueues, NoPlace
from webhook.server.intake import JSON, LARGEST_BODY, MOST_DISCARDED, TOO_LARGE, Reply, refused
from webhook.server.peers import names_of_scope

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# A connection of a sender without proof is not kept: its body was not read.
CLOSE: Final = (b"connection", b"close")


class Lane:
    """An ASGI app around another one, which gets all that is no review."""

    def __init__(
        self, answerer: Answerer, other: AsgiApp, *, check: Check | None = None, queues: AnswerQueues | None = None
    ) -> None:
        self._answerer = answerer
        self._other = other
        self._check = check or NoCheck()
        self._queues = queues or AnswerQueues()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        found = review_path(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._other(scope, receive, send)
            return
        authentication = self._check.authenticate(Sender(found.token, names_of_scope(scope)))
        if authentication is None:
            reply = self._answerer.refuse(unauthenticated())
        else:
            reply = await self._review(found.phase, authentication, scope, receive)
        length = str(len(reply.body)).encode()
        headers = [(b"content-type", JSON.encode()), (b"content-length", length)]
        headers += [CLOSE] if authentication is None else []
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _review(self, phase: Phase, authentication: Authentication, scope: Scope, receive: Receive) -> Reply:
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
        answered = self._answerer.answer(phase, body, authentication)
        if not isinstance(answered, Waiting):
            return answered
        try:
            return await asyncio.wrap_future(self._queues.submit(answered.share, answered.finish))
        except NoPlace:
            return answered.give_up()


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
