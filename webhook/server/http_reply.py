"""HTTP replies, and the errors that a call gets before its review is decoded.

The errors are about the size, the type or the arrival of a body. They concern the call and not an object, so each is a 4xx or a 5xx,
and the API server follows the failurePolicy.
"""

from http import HTTPStatus

import msgspec
from msgspec import Struct

from webhook.server.limits import BODY_SECONDS, MAX_BODY_BYTES

# The rest of an oversized body is read up to this size, so that the client reads the answer instead of a broken pipe.
MAX_DISCARDED_BYTES = 4 * MAX_BODY_BYTES
JSON = "application/json"


class HttpReply(Struct, frozen=True):
    """An HTTP reply; its body is always JSON."""

    status: int
    body: bytes


class TruncatedBody(Struct, frozen=True):
    """The beginning of a body that is larger than the limit."""

    head: bytes


class ClientDisconnected(Exception):  # noqa: N818 (what happened)
    """The client disconnected before its request was complete, so there is no request to answer."""


def error_reply(status: HTTPStatus, message: str) -> HttpReply:
    """Return an error reply; the message says what is wrong with the call."""
    return HttpReply(status, msgspec.json.encode({"status": int(status), "error": message}))


TRUNCATED_REASON = (
    f"the review of the object has more than {MAX_BODY_BYTES} bytes, which is the limit; make the "
    "object smaller (each <, > and & counts as six bytes)"
)
BODY_TOO_LARGE = error_reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body: more than {MAX_BODY_BYTES} bytes")
BODY_TIMEOUT = error_reply(HTTPStatus.REQUEST_TIMEOUT, f"body: not complete after {BODY_SECONDS:g} s")
BODY_BUDGET_EXCEEDED = error_reply(
    HTTPStatus.SERVICE_UNAVAILABLE, "body: the server holds too many bytes of other requests; try again"
)


def check_content_type(content_type: str) -> HttpReply | None:
    """Return an error reply where the Content-Type is not JSON."""
    if content_type.partition(";")[0].strip().lower() == JSON:
        return None
    return error_reply(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: expected {JSON}, got {content_type[:80]!r}")
