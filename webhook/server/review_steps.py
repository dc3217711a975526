"""The state of one review between the steps of its decision, and the steps that leave the event loop."""

from collections.abc import Callable

from msgspec import Struct

from webhook.config.parse import Loaded
from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.model.request import Request
from webhook.server.fair_queue import QueueFlow
from webhook.server.http_reply import HttpReply


class Deferred(Struct, frozen=True):
    """The next step of an answer that takes too long for the event loop; `complete` runs it in a thread.

    A step that `is_heavy` computes for up to two seconds and does not wait. Any other step waits for the API server or the disk. A step may
    return another step. `reject` returns a refusal at once, for a step that its queue rejects. `flow` is the flow that the step
    counts for.
    """

    complete: Callable[[], "HttpReply | Deferred"]
    reject: Callable[[], HttpReply]
    flow: QueueFlow
    is_heavy: bool = False


class ReviewContext(Struct, frozen=True):
    """One review with the policy that decides it.

    `begun` is in nanoseconds of the performance counter. `until` is the deadline on the monotonic clock. `on_loop` says that the decision
    is computed on the event loop, where it may take some milliseconds only.
    """

    phase: Phase
    request: Request
    loaded: Loaded | None
    begun: int
    until: float
    on_loop: bool = True

    @property
    def is_authenticated(self) -> bool:
        """Return whether the sender proved to be the API server."""
        return self.request.authentication is not Authentication.NONE
