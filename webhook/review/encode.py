"""Encode a decision as the bytes of an AdmissionReview; no other module builds one."""

import base64
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Struct, UnsetType

from webhook.admission.message import violation_lines
from webhook.model.counting import counted
from webhook.model.decision import Decision, Verdict
from webhook.model.request import Request
from webhook.model.rule import Violation
from webhook.review.patch import label_patch

# The API server takes 4,096 runes of warnings. Above that it cuts each warning at 256 (apiserver,
# pkg/warning/context.go).
WARNING_LENGTH = 256
MOST_WARNINGS = 4_096 // WARNING_LENGTH
# Causes are for programs; the message describes them for people, within its own limits.
MOST_CAUSES = 32
RETRY_AFTER_SECONDS = 1


class Cause(Struct):
    """One fault for programs: metav1.StatusCause."""

    reason: str
    message: str
    field: str


class Details(Struct, rename="camel", omit_defaults=True):
    """metav1.StatusDetails."""

    causes: list[Cause] = []
    retry_after_seconds: int = 0


class ResponseStatus(Struct, omit_defaults=True):
    """metav1.Status of a refusal."""

    message: str
    reason: str
    code: int
    details: Details
    status: str | UnsetType = UNSET


class Response(Struct, rename="camel", omit_defaults=True):
    """`response`."""

    uid: str
    allowed: bool | UnsetType = UNSET  # without a default value, so that `false` is written
    status: ResponseStatus | None = None
    warnings: list[str] = []
    audit_annotations: Mapping[str, str] = {}
    patch_type: str = ""
    patch: str = ""


class ReviewResponse(Struct, rename="camel"):
    """The envelope."""

    response: Response
    api_version: str = "admission.k8s.io/v1"
    kind: str = "AdmissionReview"


ENCODER = msgspec.json.Encoder()


def encode_validation(request: Request, decision: Decision, *, annotations: Mapping[str, str]) -> bytes:
    """Return the answer of the validating phase; `annotations` are for the API server's own audit log."""
    return ENCODER.encode(
        ReviewResponse(
            Response(
                uid=request.uid,
                allowed=decision.allowed,
                status=None if decision.allowed else status(decision),
                warnings=[warning(one) for one in warnings(decision)],
                audit_annotations=annotations,
            )
        )
    )


def encode_mutation(request: Request, decision: Decision) -> bytes:
    """Return the answer of the mutating phase, which always allows, with a patch if labels must be written."""
    if not decision.labels:
        return ENCODER.encode(ReviewResponse(Response(uid=request.uid, allowed=True)))
    patch = label_patch(decision.labels, has_labels=has_labels(request))
    return ENCODER.encode(
        ReviewResponse(
            Response(
                uid=request.uid,
                allowed=True,
                patch_type="JSONPatch",
                patch=base64.b64encode(patch).decode("ascii"),
            )
        )
    )


def has_labels(request: Request) -> bool:
    """Return whether the object has labels; an empty map may be absent from the object and does not count."""
    if request.namespace is not None:
        return bool(request.namespace.labels)
    return request.workload is not None and bool(request.workload.places[0].labels)


def status(decision: Decision) -> ResponseStatus:
    """Return the reason for a refusal; the code distinguishes a bad object from a failure of catflap."""
    if decision.verdict is Verdict.UNAVAILABLE:
        return ResponseStatus(
            message=decision.message,
            reason="ServiceUnavailable",
            code=503,
            details=Details(retry_after_seconds=RETRY_AFTER_SECONDS),
        )
    return ResponseStatus(
        message=decision.message,
        reason="Forbidden",
        code=403,
        details=Details(causes=causes(decision.denied)),
    )


def causes(denied: tuple[Violation, ...]) -> list[Cause]:
    """Return the first faults that refuse, and one cause with the count of the others."""
    found = [cause(violation) for violation in denied[:MOST_CAUSES]]
    if rest := sum(violation.count for violation in denied[MOST_CAUSES:]):
        found.append(Cause(reason="FieldValueInvalid", message=f"and {counted(rest, 'more violation')}", field=""))
    return found


def cause(violation: Violation) -> Cause:
    """Return a fault under the field-error reasons that API clients know."""
    return Cause(reason="FieldValueInvalid", message=f"{violation.rule}: {violation.message}", field=violation.path)


def warnings(decision: Decision) -> list[str]:
    """Return the warnings of an admitted request, as many as the API server passes on, and the count of the rest."""
    notices, found = decision.notices[:MOST_WARNINGS], violation_lines(decision.warned)
    limit = MOST_WARNINGS - len(notices)
    if len(found) > limit:
        found = [*found[: limit - 1], f"and {len(found) - limit + 1} more warnings"] if limit else []
    return [*found, *notices]


def warning(text: str) -> str:
    """Return a warning as kubectl prints it: on one line and within the maximum length.

    The API server drops other warnings (apimachinery, pkg/util/net/http.go, NewWarningHeader: no control characters).
    """
    text = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return text if len(text) <= WARNING_LENGTH else f"{text[: WARNING_LENGTH - 1]}…"
