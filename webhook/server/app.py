"""The Flask app: every route, complete by itself; the express lane only overtakes it."""

from http import HTTPStatus

from flask import Flask, Request, Response, request

from webhook.model.decision import Phase
from webhook.server.answer import Answerer, Waiting
from webhook.server.intake import JSON, LARGEST_BODY, MOST_DISCARDED, TOO_LARGE, Reply, bad_review, refused

CHUNK = 1 << 16


def create_app(answerer: Answerer) -> Flask:
    """The app that answers reviews; it may block while it asks the API server."""
    app = Flask("catflap")

    def review(phase: Phase) -> Response:
        refusal = refused(request.content_type or "", request.content_length or 0)
        try:
            body = whole_body(request)
        except OSError as bad:  # gunicorn's own word for a body that breaks HTTP
            return response(answerer.refuse(bad_review(HTTPStatus.BAD_REQUEST, f"body: {bad}")))
        if refusal is not None or body is None:
            return response(answerer.refuse(refusal or TOO_LARGE))
        answered = answerer.answer(phase, body)
        while isinstance(answered, Waiting):
            answered = answered.finish()
        return response(answered)

    @app.post("/validate")
    def validate() -> Response:
        return review(Phase.VALIDATE)

    @app.post("/mutate")
    def mutate() -> Response:
        return review(Phase.MUTATE)

    return app


def whole_body(sent: Request) -> bytes | None:
    """The body in one piece; None where it grows above the limit, whatever its header said."""
    body = sent.stream.read(LARGEST_BODY + 1)
    if len(body) <= LARGEST_BODY:
        return body
    for _ in range(LARGEST_BODY, MOST_DISCARDED, CHUNK):
        if not sent.stream.read(CHUNK):
            break
    return None


def response(reply: Reply) -> Response:
    """A reply in Flask's words."""
    return Response(reply.body, status=reply.status, content_type=JSON)
