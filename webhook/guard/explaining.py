"""The message of a refusal, which only those compute who show it."""

from msgspec.structs import replace

from webhook.guard.mending import Mending, Search
from webhook.guard.message import refusal
from webhook.model.decision import Decision, Verdict
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.violation import RefusedLabel, Remedy, Violation
from webhook.model.workload import label_field, reference


def explained(decision: Decision, request: Request, policy: GuardPolicy, *, lenient: bool = False) -> Decision:
    """Return the decision with its message: each fault that refuses the object, and the labels that mend it.

    A decision that has a message, or that refuses nothing, has none added. With `lenient` a violation that is warned of or recorded keeps its
    remedy only where the labels that mend the whole object include it.
    """
    workload = request.workload
    search = Search(workload, policy, request.before) if workload is not None else None
    if decision.verdict is Verdict.DENIED and not decision.message:
        target, subject = request.target, request.subject
        name = subject.reference if subject else reference(target.kind, target.namespace, target.name)
        mends = search.mending(decision.denied) if search else Mending()
        decision = replace(
            decision,
            message=refusal(name, decision.denied, mends),
            denied=tuple(with_fix(one, mends.remedies) for one in decision.denied),
            fix=mends.remedies,
            fix_notes=mends.notes,
        )
    others = (*decision.warned, *decision.audited)
    if lenient and search and any(one.remedy for one in others):
        fix = search.further(others)
        warned, audited = ([with_fix(one, fix) for one in each] for each in (decision.warned, decision.audited))
        return replace(decision, warned=tuple(warned), audited=tuple(audited))
    return decision


def is_about_value(violation: Violation) -> bool:
    """Whether a violation is about the value of the label at its path, and not about another label that contradicts it."""
    remedy = violation.remedy
    return remedy is None or violation.path == f"{remedy.place}.labels{label_field(remedy.label)}"


def with_fix(violation: Violation, fix: tuple[Remedy, ...]) -> Violation:
    """Return the violation with the remedy that the fix of the whole object has for its label; with none where the fix has none."""
    remedy = violation.remedy
    if remedy is None:
        return violation
    same = (one for one in fix if (one.place, one.label) == (remedy.place, remedy.label))
    return replace(violation, remedy=next(same, None))


def with_refused_labels(decision: Decision, refused: tuple[RefusedLabel, ...]) -> Decision:
    """Return the decision with the labels that the API server refuses; a label that a rule speaks of is not named twice.

    The result has no message, as the faults of a message are those of its decision.
    """
    by_rules = {one.path for one in (*decision.denied, *decision.warned, *decision.audited) if is_about_value(one)}
    named = tuple(one.violation for one in refused if one.always_named or one.violation.path not in by_rules)
    if not named:
        return decision
    return replace(decision, verdict=Verdict.DENIED, denied=(*decision.denied, *named), message="")
