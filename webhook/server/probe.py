"""The controller's question whether this server is ready: a review that no user's request can cause, answered without a record.

It passes the same doors as every review (TLS, the path, the decoder) and is about no object, so nothing is decided on it.
"""

from webhook.guard.decide import unavailable
from webhook.model.decision import Decision
from webhook.model.names import PROBE, PROBE_GROUP, PROBE_LATE, PROBE_RESOURCE, PROBE_SERVER
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request
from webhook.review.encode import encode_validation

READY = Decision(Reason(ReasonCode.NO_RULE_APPLIES, "a question of catflap's own controller"))
NOT_READY = unavailable(ReasonCode.NO_POLICY_FILE, "no policy file is in force yet; see this server's log")


def is_probe(request: Request) -> bool:
    """Whether a review is that question."""
    return (request.target.group, request.target.resource) == (PROBE_GROUP, PROBE_RESOURCE)


def probed(request: Request, *, ready: bool, user: str, late: str) -> bytes:
    """The answer: whether reviews are judged here, as which `user` this server acts, and the `late` reviews that it counted."""
    annotations = {"probe": PROBE, PROBE_LATE: late, **({PROBE_SERVER: user} if user else {})}
    return encode_validation(request, READY if ready else NOT_READY, annotations=annotations)
