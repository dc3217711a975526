"""The error for facts that a decision needs and that the cluster did not provide."""

from webhook.model.reason import ReasonCode


class Unavailable(Exception):  # noqa: N818 (a state of the cluster)
    """A fact that a decision depends on could not be determined; the message names it, and `code` is the reason code."""

    def __init__(self, code: ReasonCode, message: str) -> None:
        super().__init__(message)
        self.code = code
