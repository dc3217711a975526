"""The Flask app: every route, complete by itself; the express lane only overtakes it."""

from flask import Flask, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from webhook.server.answer import Answerer, Phase, Waiting
from webhook.server.intake import JSON, LARGEST_BODY, TOO_LARGE, Reply, refused


def create_app(answerer: Answerer) -> Flask:
    """The app that answers reviews; it may block while it asks the API server."""
    app = Flask("catflap")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY

    def review(phase: Phase) -> Response:
        refusal = refused(request.content_type or "", request.content_length or 0)
        if refusal is not None:
            return response(answerer.refuse(refusal))
        answered = answerer.answer(phase, request.get_data(cache=False))
        return response(answered.finish() if isinstance(answered, Waiting) else answered)

    @app.post("/validate")
    def validate() -> Response:
        return review(Phase.VALIDATE)

    @app.post("/mutate")
    def mutate() -> Response:
        return review(Phase.MUTATE)

    @app.errorhandler(RequestEntityTooLarge)
    def too_large(_: RequestEntityTooLarge) -> Response:
        return response(answerer.refuse(TOO_LARGE))

    return app


def response(reply: Reply) -> Response:
    """A reply in Flask's words."""
    return Response(reply.body, status=reply.status, content_type=JSON)
