"""Messages of refusals, computed only where they are shown."""

from msgspec.structs import replace

from webhook.admission.label_fixes import FixSearch, LabelFix
from webhook.admission.message import refusal
from webhook.model.decision import Decision, Verdict
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request
from webhook.model.rule import RefusedLabel, Remedy, Violation
from webhook.model.workload import label_field


def with_message(decision: Decision, request: Request, policy: GuardPolicy, *, lenient: bool = False) -> Decision:
    """Return the decision with its message: each violation that refuses the object, and the labels that fix it.

    A decision that has a message, or that refuses nothing, gets none. With `lenient`, a warned or recorded violation keeps its remedy only if
    the fix of the whole object includes it.
    """
    workload = request.workload
    search = FixSearch(workload, policy, request.before) if workload is not None else None
    if decision.verdict is Verdict.DENIED and not decision.message:
        fix = search.label_fix(decision.denied) if search else LabelFix()
        decision = replace(
            decision,
            message=refusal(request.reference, decision.denied, fix),
            denied=tuple(with_fix(one, fix.remedies) for one in decision.denied),
            fix=fix.remedies,
            fix_notes=fix.notes,
        )
    others = (*decision.warned, *decision.audited)
    if lenient and search and any(one.remedy for one in others):
        remedies = search.extended_remedies(others)
        warned, audited = ([with_fix(one, remedies) for one in each] for each in (decision.warned, decision.audited))
        return replace(decision, warned=tuple(warned), audited=tuple(audited))
    return decision


def is_about_value(violation: Violation) -> bool:
    """Return whether a violation is about the value of the label at its path, and not about another label that contradicts it."""
    remedy = violation.remedy
    return remedy is None or violation.path == f"{remedy.place}.labels{label_field(remedy.label)}"


def with_fix(violation: Violation, fix: tuple[Remedy, ...]) -> Violation:
    """Return the violation with the remedy that the fix of the whole object has for its label; without one if the fix has none."""
    remedy = violation.remedy
    if remedy is None:
        return violation
    same = (one for one in fix if (one.place, one.label) == (remedy.place, remedy.label))
    return replace(violation, remedy=next(same, None))


def with_refused_labels(decision: Decision, refused: tuple[RefusedLabel, ...]) -> Decision:
    """Return the decision with the labels that the API server refuses; a label that a rule reports is not named twice.

    The result has no message, because a message lists exactly the violations of its decision.
    """
    by_rules = {one.path for one in (*decision.denied, *decision.warned, *decision.audited) if is_about_value(one)}
    named = tuple(one.violation for one in refused if one.always_named or one.violation.path not in by_rules)
    if not named:
        return decision
    return replace(decision, why=Reason(ReasonCode.RULE_VIOLATED), denied=(*decision.denied, *named), message="")
