"""Decisions once every question is answered, for tests that are about something else."""

from msgspec.structs import replace

from webhook.custom.judging import plain
from webhook.guard.decide import OFFLINE_DEFAULTS, decide
from webhook.guard.decision_message import with_message
from webhook.model.decision import Decision, OldOwner, OwnerWanted
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.workload import LabelLocation


def older(request: Request) -> tuple[OldOwner, ...]:
    """An owner older than catflap whose template says what the request does."""
    document, workload = request.document, request.workload
    assert document is not None
    assert workload is not None
    content = plain(document.content)
    template = content
    for step in "" if request.target.is_pod else ["spec", "template"]:
        template = (template or {}).get(step) or {}
    return (OldOwner(workload, template, made=workload.own or LabelLocation("metadata", {})),)


def settled(
    request: Request, policy: GuardPolicy, *, own_namespace: str = "", owner_predates: bool | None = None
) -> Decision | OwnerWanted:
    """The decision with nothing asked but an owner's age; what it says of the namespace is left out."""
    known = replace(
        OFFLINE_DEFAULTS, old_owners=None if owner_predates is None else older(request) if owner_predates else ()
    )
    decided = decide(request, policy, own_namespace=own_namespace, known=known)
    assert isinstance(decided, Decision | OwnerWanted)
    return replace(with_message(decided, request, policy), closure=None) if isinstance(decided, Decision) else decided
