"""The WSGI app, in Flask: it serves every route, and works without the ASGI app in front of it."""

import logging
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from time import monotonic
from typing import Any

from flask import Flask, Request, Response, request

from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.review.truncated_review import HEAD_BYTES
from webhook.server.answer_deadline import answer_timeout
from webhook.server.authentication import UNAUTHENTICATED, AllowAllAuthenticator, Authenticator, Sender, review_path
from webhook.server.body_budget import BodyBudget, BodyReservation
from webhook.server.client_certificate import names_from_wsgi
from webhook.server.connection_tracker import ConnectionTracker, TrackedConnection
from webhook.server.fair_queue import QueueRejected, ReviewQueues
from webhook.server.http_reply import (
    BODY_BUDGET_EXCEEDED,
    BODY_TIMEOUT,
    JSON,
    MAX_DISCARDED_BYTES,
    HttpReply,
    TruncatedBody,
    check_content_type,
    error_reply,
)
from webhook.server.limits import MAX_BODY_BYTES
from webhook.server.review_handler import ReviewHandler
from webhook.server.review_steps import Deferred

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 16
# The key of the environ that holds the `TrackedConnection` of the request.
CONNECTION_KEY = "catflap.caller"


class FlaskApp(Flask):
    """Flask without paths in its log, as a path contains a secret.

    `reject_waiting` rejects all reviews that wait, when the process ends.
    """

    reject_waiting: Callable[[], None]

    def log_exception(self, exc_info: Any) -> None:
        """Log the exception of a handler without the request."""
        logger.error("the server could not answer a request", exc_info=exc_info)


def create_app(
    handler: ReviewHandler,
    *,
    body_budget: BodyBudget | None = None,
    authenticator: Authenticator | None = None,
    queues: ReviewQueues | None = None,
) -> Flask:
    """Return the app that answers reviews; a request may block while catflap looks facts up in the cluster.

    `authenticator` recognises the API server before a body is read.
    """
    app = FlaskApp("catflap")
    app.url_map.merge_slashes = False  # a redirect would repeat the path
    senders = authenticator or AllowAllAuthenticator()
    reviews = ReviewEndpoint(handler, body_budget or BodyBudget(), queues or ReviewQueues())
    app.reject_waiting = reviews.reject_waiting

    @app.before_request
    def check_path() -> Response | None:
        """Reply 401 to other methods than POST unless the path has a token that the API server may use."""
        found = review_path(request.path)
        is_known = found is None or request.method == "POST" or senders.knows_path(found.token)
        return None if is_known else unauthenticated_response()

    @app.post("/validate")
    @app.post("/validate/<token>")
    @app.post("/mutate")
    @app.post("/mutate/<token>")
    def review(token: str = "") -> Response:
        found = review_path(request.path)
        authentication = senders.authenticate(Sender(token, partial(names_from_wsgi, request.environ)))
        if found is None or authentication is None:
            return unauthenticated_response()
        answer = flask_response(reviews.handle(found.phase, authentication, request))
        if (connection := connection_of(request)).drains_body:
            connection.end_headers()  # starts the time limit of a body again, for the rest of it
            answer.call_on_close(partial(drain, request.environ["wsgi.input"]))
        return answer

    def unauthenticated_response() -> Response:
        connection_of(request).close_after_response()  # the body is not read, so no request can follow it
        return flask_response(handler.count_rejected(UNAUTHENTICATED))

    return app


class ReviewEndpoint:
    """Reads and answers reviews; each call blocks its thread until the reply is known."""

    def __init__(self, handler: ReviewHandler, body_budget: BodyBudget, queues: ReviewQueues) -> None:
        self._handler = handler
        self._body_budget = body_budget
        self._queues = queues
        self._ending: Future[None] = Future()

    def reject_waiting(self) -> None:
        """Reject every review that waits, when the process ends."""
        if not self._ending.done():
            self._ending.set_result(None)

    def handle(self, phase: Phase, authentication: Authentication, sent: Request) -> HttpReply:
        """Return the reply to one review; waits for its body and in the queues."""
        connection, until = connection_of(sent), monotonic() + answer_timeout(sent.query_string.decode("latin-1"))
        reply = self._reply(phase, authentication, sent, connection, until)
        if connection.is_peer_closed or monotonic() > until:
            self._handler.late_reviews.count()
        return reply

    def _reply(
        self, phase: Phase, authentication: Authentication, sent: Request, connection: TrackedConnection, until: float
    ) -> HttpReply:
        with self._body_budget.reserve(is_trusted=connection.is_trusted, drop=connection.stop_receiving) as held:
            body = read_body_or_error(sent, self._body_budget, held, connection)
            if isinstance(body, HttpReply):
                return self._handler.count_rejected(body)
            connection.end_request()
            answered = self._handler.handle(phase, body, authentication, until=until)
            while isinstance(answered, Deferred):
                answered = self._run_step(answered)
        if answered.status == HTTPStatus.OK:
            connection.trust()
        return answered

    def _run_step(self, step: Deferred) -> HttpReply | Deferred:
        """Run a step in its queue; return its result, or a refusal where the queue rejects it."""
        finished = self._queues.submit(step.flow, step.complete, is_heavy=step.is_heavy)
        either: list[Future[Any]] = [finished, self._ending]
        wait(either, return_when=FIRST_COMPLETED)
        if not finished.done():
            finished.cancel()
            return step.reject()
        try:
            return finished.result()
        except QueueRejected:
            return step.reject()


def connection_of(sent: Request) -> TrackedConnection:
    """Return the connection of a request."""
    return sent.environ.get(CONNECTION_KEY) or TrackedConnection(ConnectionTracker())


def read_body_or_error(
    sent: Request, body_budget: BodyBudget, held: BodyReservation, connection: TrackedConnection
) -> bytes | TruncatedBody | HttpReply:
    """Return the whole body of a review, its beginning where it is too large, or an error reply."""
    refusal = check_content_type(sent.content_type or "")
    body: bytes | TruncatedBody | None = None
    try:
        body = read_body(sent, body_budget, held)
    except TimeoutError:
        refusal = BODY_TIMEOUT
    except (
        OSError
    ) as bad:  # gunicorn's error for a body that is not valid HTTP, or for a connection that catflap shut down
        refusal = error_reply(HTTPStatus.BAD_REQUEST, f"body: {bad}")
    if held.is_dropped or connection.is_body_late:
        return BODY_BUDGET_EXCEEDED if held.is_dropped else BODY_TIMEOUT
    if isinstance(body, TruncatedBody):
        connection.close_after_response()
        connection.drains_body = True
    return refusal or (BODY_BUDGET_EXCEEDED if body is None else body)


def read_body(sent: Request, body_budget: BodyBudget, held: BodyReservation) -> bytes | TruncatedBody | None:
    """Return the whole body, or its beginning where it is larger than the limit; None where the byte budget is used up."""
    body = bytearray()
    is_too_large = (sent.content_length or 0) > MAX_BODY_BYTES
    most = HEAD_BYTES if is_too_large else MAX_BODY_BYTES
    while len(body) <= most and (chunk := sent.stream.read(CHUNK_BYTES)):
        if not body_budget.grow(held, len(chunk)):
            return None
        body += chunk
    if len(body) > most or is_too_large:
        body_budget.shrink(held, HEAD_BYTES)
        return TruncatedBody(bytes(body[:HEAD_BYTES]))
    body_budget.finish(held)
    return bytes(body)


def drain(body: Any) -> None:
    """Read and discard the rest of a body, so that the client reads the answer instead of a broken pipe.

    The API server closes the connection at once.
    """
    left = MAX_DISCARDED_BYTES
    with suppress(OSError):
        while left > 0 and (chunk := body.read(CHUNK_BYTES)):
            left -= len(chunk)


def flask_response(reply: HttpReply) -> Response:
    """Return a reply as a Flask response."""
    return Response(reply.body, status=reply.status, content_type=JSON)
