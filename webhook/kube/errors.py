"""Errors of requests to the API server."""

from webhook.model.path_tokens import without_tokens

BAD_REQUEST = 400
NOT_FOUND = 404
CONFLICT = 409
INVALID = 422
# Bad, forbidden, too large or invalid: a retry of the same request gets the same answer.
PERMANENT_STATUSES = frozenset({BAD_REQUEST, 403, 413, INVALID})


class ApiError(Exception):
    """The API server answered with an error, or not at all (`status` 0); the text contains no token of a webhook path.

    `server` is the address of the API server where the connection failed.
    """

    def __init__(self, status: int, message: str, *, server: str = "") -> None:
        self.status = status
        self.server = server
        super().__init__(without_tokens(message))

    @property
    def refused(self) -> bool:
        """Return whether the API server rejected the request, and would reject it again."""
        return self.status in PERMANENT_STATUSES
