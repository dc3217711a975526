"""What is refused before anybody parses it: the size and the type of a body.

Both are faults of the review, not of an object, so both are a 4xx; the API server then follows the failurePolicy.
"""

from http import HTTPStatus

import msgspec
from msgspec import Struct

# etcd takes 1.5 MiB an object and the API server 3 MiB a request; a review holds the object twice, plus the options.
LARGEST_BODY = 8 * 1024 * 1024
# Who sends more still gets to the end of a sentence, so that the answer is read instead of a broken pipe; then we hang up.
MOST_DISCARDED = 4 * LARGEST_BODY
JSON = "application/json"


class Reply(Struct, frozen=True):
    """An HTTP answer; its body is JSON always."""

    status: int
    body: bytes


def bad_review(status: HTTPStatus, message: str) -> Reply:
    """A 4xx that says what is wrong with the review."""
    return Reply(status, msgspec.json.encode({"status": int(status), "error": message}))


TOO_LARGE = bad_review(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"body: more than {LARGEST_BODY} bytes")


def refused(content_type: str, content_length: int) -> Reply | None:
    """The refusal that the headers alone call for; `content_length` is 0 where none was sent."""
    if content_type.partition(";")[0].strip().lower() != JSON:
        return bad_review(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: expected {JSON}, got {content_type[:80]!r}"
        )
    return TOO_LARGE if content_length > LARGEST_BODY else None
