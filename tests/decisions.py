"""Decisions with given results of their lookups."""

from typing import Any

from msgspec.structs import replace

from webhook.admission.decide import decide
from webhook.admission.decision_message import with_message
from webhook.cel.evaluation import plain
from webhook.model.decision import Decision
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.steps import OFFLINE_RESULTS, OldOwner, OwnerLookup, Results, Resumable, Step, resume
from webhook.model.workload import LabelLocation


def older(request: Request) -> tuple[OldOwner, ...]:
    """Return an owner that is older than catflap and has the template of the request."""
    document, workload = request.document, request.workload
    assert document is not None
    assert workload is not None
    content = plain(document.content)
    template = content
    for step in "" if request.target.is_pod else ["spec", "template"]:
        template = (template or {}).get(step) or {}
    return (OldOwner(workload, template, made=workload.own or LabelLocation("metadata", {})),)


def outcome(deciding: Resumable[Decision], results: Results = OFFLINE_RESULTS) -> Decision | Step[Any]:
    """Return the decision with the given results of its steps, or its first step without one."""
    found = resume(deciding)
    while isinstance(found, Step) and type(found) in results:
        found = resume(deciding, results[type(found)])
    return found


def explained(request: Request, policy: GuardPolicy, results: Results, **options: Any) -> Decision | Step[Any]:
    """Return the decision with its message, or its first step without a result; `options` are those of `decide`."""
    found = outcome(decide(request, policy, **options), results)
    return with_message(found, request, policy) if isinstance(found, Decision) else found


def answered(request: Request, policy: GuardPolicy, results: Results = OFFLINE_RESULTS, **options: Any) -> Decision:
    """Return the decision with its message, as a user gets it; by default without a cluster."""
    found = explained(request, policy, results, **options)
    assert isinstance(found, Decision)
    return found


def without(*steps: type[Step[Any]]) -> Results:
    """Return the offline results except those of some steps."""
    return {step: result for step, result in OFFLINE_RESULTS.items() if step not in steps}


def settled(
    request: Request, policy: GuardPolicy, *, own_namespace: str = "", owner_predates: bool | None = None
) -> Decision | OwnerLookup:
    """Return the decision where only the owner's age is looked up, without the isolation of the namespace."""
    results = without(OwnerLookup)
    if owner_predates is not None:
        results = {**results, OwnerLookup: older(request) if owner_predates else ()}
    decided = explained(request, policy, results, own_namespace=own_namespace)
    assert isinstance(decided, Decision | OwnerLookup)
    return replace(decided, isolation=None) if isinstance(decided, Decision) else decided
