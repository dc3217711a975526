"""What a request to the API server can end in, other than an answer."""

from webhook.model.path_tokens import without_tokens

BAD_REQUEST = 400
NOT_FOUND = 404
CONFLICT = 409
INVALID = 422
# Bad, forbidden, too large or invalid: the same request is answered so again.
REFUSALS = frozenset({BAD_REQUEST, 403, 413, INVALID})


class ApiError(Exception):
    """The API server answered with an error, or not at all (`status` 0); its text has no token of a path of reviews.

    `server` is the address that was asked, where the connection failed.
    """

    def __init__(self, status: int, message: str, *, server: str = "") -> None:
        self.status = status
        self.server = server
        super().__init__(without_tokens(message))

    @property
    def refused(self) -> bool:
        """Whether the API server does not take what it was sent, and will not the next time."""
        return self.status in REFUSALS
