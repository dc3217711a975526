"""What is refused before the review is parsed: the size and the type of a body, and one for which there is no time or no room.

All are faults of the call, not of an object, so all are a 4xx or a 5xx; the API server then follows the failurePolicy.
"""

from http import HTTPStatus

import msgspec
from msgspec import Struct

from webhook.server.limits import BODY_SECONDS, MAX_BODY_BYTES

# A caller that sends more may finish, so that it reads the answer instead of a broken pipe; beyond this we hang up.
MOST_DISCARDED = 4 * MAX_BODY_BYTES
JSON = "application/json"


class Reply(Struct, frozen=True):
    """An HTTP answer; its body is JSON always."""

    status: int
    body: bytes


class Unread(Struct, frozen=True):
    """The beginning of a body that is larger than what is read of one."""

    head: bytes


class CallerLeft(Exception):  # noqa: N818 (what happened)
    """The caller hung up before its request was whole, so there is no request to answer."""


def bad_review(status: HTTPStatus, message: str) -> Reply:
    """A 4xx or 5xx that says what is wrong with the call."""
    return Reply(status, msgspec.json.encode({"status": int(status), "error": message}))


UNREAD = f"its review has more than {MAX_BODY_BYTES} bytes, and a larger one is not read; make the object smaller (of <, > and & each takes six bytes)"
TOO_LARGE = bad_review(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body: more than {MAX_BODY_BYTES} bytes")
TOO_SLOW = bad_review(HTTPStatus.REQUEST_TIMEOUT, f"body: not whole after {BODY_SECONDS:g} s")
NO_ROOM = bad_review(HTTPStatus.SERVICE_UNAVAILABLE, "body: too many bytes of other requests are held; try again")


def wrong_type(content_type: str) -> Reply | None:
    """The refusal of a body that is not JSON, by its header."""
    if content_type.partition(";")[0].strip().lower() == JSON:
        return None
    return bad_review(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: expected {JSON}, got {content_type[:80]!r}")
