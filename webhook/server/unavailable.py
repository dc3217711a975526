"""What is raised where a decision cannot be found out."""

from webhook.model.reason import ReasonCode


class Unavailable(Exception):  # noqa: N818 (a state of the cluster)
    """What a decision hangs on could not be found out; the message says what, and `code` is its reason code."""

    def __init__(self, code: ReasonCode, words: str) -> None:
        super().__init__(words)
        self.code = code
