"""What is raised where a decision cannot be found out."""


class Unavailable(Exception):  # noqa: N818 (a state of the cluster)
    """What a decision hangs on could not be found out; the message says what."""
