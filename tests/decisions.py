"""Decisions with every lookup answered, for tests of other things."""

from msgspec.structs import replace

from webhook.custom.evaluation import plain
from webhook.guard.decide import OFFLINE_DEFAULTS, decide
from webhook.guard.decision_message import with_message
from webhook.model.decision import Decision, OldOwner, OwnerWanted
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.workload import LabelLocation


def with_older_owners(request: Request) -> tuple[OldOwner, ...]:
    """Return an owner that is older than catflap and has the template of the request."""
    document, workload = request.document, request.workload
    assert document is not None
    assert workload is not None
    content = plain(document.content)
    template = content
    for step in "" if request.target.is_pod else ["spec", "template"]:
        template = (template or {}).get(step) or {}
    return (OldOwner(workload, template, made=workload.own or LabelLocation("metadata", {})),)


def decide_with_lookups(
    request: Request, policy: GuardPolicy, *, own_namespace: str = "", owner_predates: bool | None = None
) -> Decision | OwnerWanted:
    """Return the decision where only the owner's age is looked up, without the isolation of the namespace."""
    known = replace(
        OFFLINE_DEFAULTS,
        old_owners=None if owner_predates is None else with_older_owners(request) if owner_predates else (),
    )
    decided = decide(request, policy, own_namespace=own_namespace, known=known)
    assert isinstance(decided, Decision | OwnerWanted)
    return replace(with_message(decided, request, policy), closure=None) if isinstance(decided, Decision) else decided
