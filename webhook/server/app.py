"""The Flask app: every route, complete by itself; the express lane only overtakes it."""

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
from webhook.review.beginning import HEAD_BYTES
from webhook.server.answer import Answerer, Waiting
from webhook.server.authentication import UNAUTHENTICATED, Check, NoCheck, Sender, review_path
from webhook.server.body_budget import BodyBudget, BodyReservation
from webhook.server.connection_tracker import ConnectionTracker, TrackedConnection
from webhook.server.fairness import AnswerQueues, NoPlace
from webhook.server.intake import (
    JSON,
    MOST_DISCARDED,
    NO_ROOM,
    TOO_SLOW,
    Reply,
    Unread,
    bad_review,
    wrong_type,
)
from webhook.server.limits import MAX_BODY_BYTES
from webhook.server.patience import seconds_to_answer
from webhook.server.peers import names_of_environ

logger = logging.getLogger(__name__)

CHUNK = 1 << 16
# Where the environ names the `Caller`, which is the connection that the request came over.
CALLER = "catflap.caller"


class App(Flask):
    """Flask, with a log that shows no path: a path holds a secret.  `give_up` refuses what waits, as the process ends."""

    give_up: Callable[[], None]

    def log_exception(self, exc_info: Any) -> None:
        """Log what a handler raised, without the request."""
        logger.error("a request could not be answered", exc_info=exc_info)


def create_app(
    answerer: Answerer,
    *,
    body_budget: BodyBudget | None = None,
    check: Check | None = None,
    queues: AnswerQueues | None = None,
) -> Flask:
    """The app that answers reviews; it may block while it asks the API server.

    `check` tells the API server from other callers, before their bodies are read.
    """
    app = App("catflap")
    app.url_map.merge_slashes = False  # a redirect would repeat the path
    checked, reviews = check or NoCheck(), Reviews(answerer, body_budget or BodyBudget(), queues or AnswerQueues())
    app.give_up = reviews.give_up

    @app.before_request
    def check_path() -> Response | None:
        """Answer other methods than POST only where the API server may be registered with the path."""
        found = review_path(request.path)
        is_known = found is None or request.method == "POST" or checked.knows_path(found.token)
        return None if is_known else stranger()

    @app.post("/validate")
    @app.post("/validate/<token>")
    @app.post("/mutate")
    @app.post("/mutate/<token>")
    def review(token: str = "") -> Response:
        found = review_path(request.path)
        authentication = checked.authenticate(Sender(token, partial(names_of_environ, request.environ)))
        if found is None or authentication is None:
            return stranger()
        answer = response(reviews.answer(found.phase, authentication, request))
        if (caller := caller_of(request)).drains_body:
            caller.end_headers()  # which gives the rest of the body as much time as a body has
            answer.call_on_close(partial(discard, request.environ["wsgi.input"]))
        return answer

    def stranger() -> Response:
        caller_of(request).close_after_response()  # its body is not read, so no other request can follow
        return response(answerer.refuse(UNAUTHENTICATED))

    return app


class Reviews:
    """Reads reviews and answers them, one a thread."""

    def __init__(self, answerer: Answerer, body_budget: BodyBudget, queues: AnswerQueues) -> None:
        self._answerer = answerer
        self._body_budget = body_budget
        self._queues = queues
        self._ending: Future[None] = Future()

    def give_up(self) -> None:
        """Refuse everything that still waits, as this process ends."""
        if not self._ending.done():
            self._ending.set_result(None)

    def answer(self, phase: Phase, authentication: Authentication, sent: Request) -> Reply:
        """The reply to one review; waits for its body, and for its turn."""
        caller, until = caller_of(sent), monotonic() + seconds_to_answer(sent.query_string.decode("latin-1"))
        reply = self._reply(phase, authentication, sent, caller, until)
        if caller.is_peer_closed or monotonic() > until:
            self._answerer.late.count()
        return reply

    def _reply(
        self, phase: Phase, authentication: Authentication, sent: Request, caller: TrackedConnection, until: float
    ) -> Reply:
        with self._body_budget.reserve(is_trusted=caller.is_trusted, drop=caller.stop_receiving) as held:
            body = body_or_refusal(sent, self._body_budget, held, caller)
            if isinstance(body, Reply):
                return self._answerer.refuse(body)
            caller.end_request()
            answered = self._answerer.answer(phase, body, authentication, until=until)
            while isinstance(answered, Waiting):
                answered = self._finished(answered)
        if answered.status == HTTPStatus.OK:
            caller.trust()
        return answered

    def _finished(self, step: Waiting) -> Reply | Waiting:
        """What a step leads to, or a refusal where it has no place to wait in."""
        finished = self._queues.submit(step.share, step.finish, heavy=step.heavy)
        either: list[Future[Any]] = [finished, self._ending]
        wait(either, return_when=FIRST_COMPLETED)
        if not finished.done():
            finished.cancel()
            return step.give_up()
        try:
            return finished.result()
        except NoPlace:
            return step.give_up()


def caller_of(sent: Request) -> TrackedConnection:
    """The connection that a request came over."""
    return sent.environ.get(CALLER) or TrackedConnection(ConnectionTracker())


def body_or_refusal(
    sent: Request, body_budget: BodyBudget, held: BodyReservation, caller: TrackedConnection
) -> bytes | Unread | Reply:
    """The whole body of a review, its beginning where it is too large, or the refusal that it gets."""
    refusal = wrong_type(sent.content_type or "")
    body: bytes | Unread | None = None
    try:
        body = whole_body(sent, body_budget, held)
    except TimeoutError:
        refusal = TOO_SLOW
    except OSError as bad:  # gunicorn's own word for a body that breaks HTTP, or one that we stopped
        refusal = bad_review(HTTPStatus.BAD_REQUEST, f"body: {bad}")
    if held.is_dropped or caller.is_body_late:
        return NO_ROOM if held.is_dropped else TOO_SLOW
    if isinstance(body, Unread):
        caller.close_after_response()
        caller.drains_body = True
    return refusal or (NO_ROOM if body is None else body)


def whole_body(sent: Request, body_budget: BodyBudget, held: BodyReservation) -> bytes | Unread | None:
    """The body in one piece, or its beginning where it is larger than the limit; None where there is no room for it."""
    body = bytearray()
    is_too_large = (sent.content_length or 0) > MAX_BODY_BYTES
    most = HEAD_BYTES if is_too_large else MAX_BODY_BYTES
    while len(body) <= most and (chunk := sent.stream.read(CHUNK)):
        if not body_budget.grow(held, len(chunk)):
            return None
        body += chunk
    if len(body) > most or is_too_large:
        body_budget.shrink(held, HEAD_BYTES)
        return Unread(bytes(body[:HEAD_BYTES]))
    body_budget.finish(held)
    return bytes(body)


def discard(body: Any) -> None:
    """Read what is left of a body, so that the caller reads the answer instead of a broken pipe; the API server hangs up at once."""
    left = MOST_DISCARDED
    with suppress(OSError):
        while left > 0 and (chunk := body.read(CHUNK)):
            left -= len(chunk)


def response(reply: Reply) -> Response:
    """A reply in Flask's words."""
    return Response(reply.body, status=reply.status, content_type=JSON)
