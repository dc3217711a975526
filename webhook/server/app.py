"""The Flask app: every route, complete by itself; the express lane only overtakes it."""

from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Request, Response, request

from webhook.model.decision import Phase
from webhook.server.answer import Answerer, Waiting
from webhook.server.bodies import Bodies, Body
from webhook.server.crowd import Caller, Crowd
from webhook.server.intake import (
    JSON,
    MOST_DISCARDED,
    NO_ROOM,
    TOO_LARGE,
    TOO_SLOW,
    Reply,
    bad_review,
    refused,
)
from webhook.server.limits import LARGEST_BODY

CHUNK = 1 << 16
# Where the environ names the `Caller`, which is the connection that the request came over.
CALLER = "catflap.caller"
# The refusal of a caller that may not send reviews, judged by the request's path, headers and connection; None for one that may.
Authenticate = Callable[[Request], Reply | None]


def anyone(_request: Request) -> Reply | None:
    """Every caller may send reviews."""
    return None


def create_app(answerer: Answerer, *, bodies: Bodies | None = None, authenticate: Authenticate = anyone) -> Flask:
    """The app that answers reviews; it may block while it asks the API server.

    `authenticate` refuses callers before their bodies are read.
    """
    app = Flask("catflap")
    room = bodies or Bodies()

    def review(phase: Phase) -> Response:
        refusal = authenticate(request)
        if refusal is not None:
            answer = response(refusal)
            answer.headers["Connection"] = "close"  # its body is not read, so no other request can follow
            return answer
        caller: Caller = request.environ.get(CALLER) or Caller(Crowd())
        with room.receiving(known=caller.known, drop=caller.stop_sending) as held:
            body = body_or_refusal(request, room, held, caller)
            if isinstance(body, Reply):
                return response(answerer.refuse(body))
            caller.sent_request()
            answered = answerer.answer(phase, body)
            while isinstance(answered, Waiting):
                answered = answered.finish()
        if answered.status == HTTPStatus.OK:
            caller.trust()
        return response(answered)

    @app.post("/validate")
    def validate() -> Response:
        return review(Phase.VALIDATE)

    @app.post("/mutate")
    def mutate() -> Response:
        return review(Phase.MUTATE)

    return app


def body_or_refusal(sent: Request, room: Bodies, held: Body, caller: Caller) -> bytes | Reply:
    """The whole body of a review, or the refusal that it gets."""
    refusal = refused(sent.content_type or "", sent.content_length or 0)
    try:
        body = whole_body(sent, room, held)
    except OSError as bad:  # gunicorn's own word for a body that breaks HTTP, or one that we stopped
        body, refusal = None, bad_review(HTTPStatus.BAD_REQUEST, f"body: {bad}")
    if held.is_dropped or caller.is_late:
        return NO_ROOM if held.is_dropped else TOO_SLOW
    return refusal or (TOO_LARGE if body is None else body)


def whole_body(sent: Request, room: Bodies, held: Body) -> bytes | None:
    """The body in one piece; None where it is larger than the limit, whatever its header claims, or where there is no room."""
    chunks: list[bytes] = []
    size = 0
    while size <= MOST_DISCARDED and (chunk := sent.stream.read(CHUNK)):
        size += len(chunk)
        if size > LARGEST_BODY:
            chunks.clear()
        elif room.grow(held, len(chunk)):
            chunks.append(chunk)
        else:
            return None
    room.finish(held)
    return b"".join(chunks) if size <= LARGEST_BODY else None


def response(reply: Reply) -> Response:
    """A reply in Flask's words."""
    return Response(reply.body, status=reply.status, content_type=JSON)
