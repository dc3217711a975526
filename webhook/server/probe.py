"""The controller's readiness probe: a review that no user's request can cause, answered without an audit record.

The probe passes TLS, the path check and the decoder like every review. It has no object, so there is nothing to decide.
"""

from webhook.admission.decide import unavailable
from webhook.model.decision import Decision
from webhook.model.names import PROBE, PROBE_GROUP, PROBE_LATE, PROBE_RESOURCE, PROBE_SERVER
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request
from webhook.review.encode import encode_validation

READY = Decision(Reason(ReasonCode.NO_RULE_APPLIES, "a probe of the catflap controller"))
NOT_READY = unavailable(
    ReasonCode.NO_POLICY_FILE, "the server has not read a valid policy file yet; see the log of this server"
)


def is_probe(request: Request) -> bool:
    """Return whether a review is the controller's probe."""
    return (request.target.group, request.target.resource) == (PROBE_GROUP, PROBE_RESOURCE)


def probe_response(request: Request, *, ready: bool, user: str, late: str) -> bytes:
    """Return the answer to a probe.

    It contains whether the server has a policy, the `user` that the server acts as, and its count of `late` reviews.
    """
    annotations = {"probe": PROBE, PROBE_LATE: late, **({PROBE_SERVER: user} if user else {})}
    return encode_validation(request, READY if ready else NOT_READY, annotations=annotations)
