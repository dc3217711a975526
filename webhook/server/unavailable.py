"""The error for facts that a decision needs and that the cluster did not provide."""


class Unavailable(Exception):  # noqa: N818 (a state of the cluster)
    """A fact that a decision depends on could not be determined; the message names it."""
