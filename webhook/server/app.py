"""The Flask app: every route, complete by itself; the express lane only overtakes it."""

from http import HTTPStatus

from flask import Flask, Request, Response, request

from webhook.server.answer import Answerer, Waiting
from webhook.server.authentication import Check, NoCheck, Sender, review_path, unauthenticated
from webhook.server.fairness import AnswerQueues, NoPlace
from webhook.server.intake import JSON, LARGEST_BODY, MOST_DISCARDED, TOO_LARGE, Reply, bad_review, refused
from webhook.server.peers import names_of_environ

CHUNK = 1 << 16


def create_app(answerer: Answerer, *, check: Check | None = None, queues: AnswerQueues | None = None) -> Flask:
    """The app that answers reviews; it may block while it asks the API server."""
    app = Flask("catflap")
    checked, waiting = check or NoCheck(), queues or AnswerQueues()

    def review(path: str) -> Response:
        found = review_path(path)
        assert found is not None  # by the routes
        authentication = checked.authenticate(Sender(found.token, names_of_environ(request.environ)))
        if authentication is None:
            return stranger()
        refusal = refused(request.content_type or "", request.content_length or 0)
        try:
            body = whole_body(request)
        except OSError as bad:  # gunicorn's own word for a body that breaks HTTP
            return response(answerer.refuse(bad_review(HTTPStatus.BAD_REQUEST, f"body: {bad}")))
        if refusal is not None or body is None:
            return response(answerer.refuse(refusal or TOO_LARGE))
        answered = answerer.answer(found.phase, body, authentication)
        return response(finished(answered, waiting) if isinstance(answered, Waiting) else answered)

    def stranger() -> Response:
        refusal = response(answerer.refuse(unauthenticated()))
        refusal.headers["Connection"] = "close"  # the body was not read
        return refusal

    @app.before_request
    def known() -> Response | None:
        """Answer whoever asks by another method than POST only where the API server may be registered with the path."""
        found = review_path(request.path)
        return None if found is None or request.method == "POST" or checked.knows_path(found.token) else stranger()

    @app.post("/validate")
    @app.post("/validate/<token>")
    @app.post("/mutate")
    @app.post("/mutate/<token>")
    def reviewed(token: str = "") -> Response:  # noqa: ARG001 (a part of the path)
        return review(request.path)

    return app


def finished(answered: Waiting, queues: AnswerQueues) -> Reply:
    """The reply, after waiting for its turn."""
    try:
        return queues.submit(answered.share, answered.finish).result()
    except NoPlace:
        return answered.give_up()


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
