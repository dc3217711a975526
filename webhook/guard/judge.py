"""Which faults an object has, and which of them a change brings."""

from typing import Any

from webhook.model.modes import SEVERITY, Mode, Override
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, Request
from webhook.model.violation import Violation
from webhook.model.workload import Relabelling
from webhook.rules import RULES

# The rules about one kind of subject, in the order of their ids.
BY_SUBJECT = {
    about: tuple(rule for rule in RULES.values() if rule.about is about)
    for about in {one.about for one in RULES.values()}
}


def mode_of(violation: Violation, policy: GuardPolicy, override: Override | None) -> Mode:
    """In which mode the rule of a fault holds, a custom one too; `override` is what is said of the namespace alone."""
    rule = RULES.get(violation.rule)
    mode = rule.mode(policy, override) if rule else policy.mode_of(violation.rule, override=override)
    return min(mode, violation.at_most, key=SEVERITY.index)


def guarded_only(violation: Violation) -> bool:
    """Whether a fault counts in guarded namespaces only."""
    rule = RULES.get(violation.rule)
    return rule is not None and rule.guarded_only


def judge(subject: Any, policy: GuardPolicy) -> tuple[Violation, ...]:
    """Every fault of a workload, of its relabelling or of a network policy under each rule that is not off everywhere, in the order of the rules' ids."""
    return tuple(
        violation
        for rule in BY_SUBJECT.get(type(subject), ())
        if policy.holds(rule.id, rule.at_most)
        for violation in rule.judge(subject, policy)
    )


def judge_request(request: Request, policy: GuardPolicy) -> tuple[Violation, ...]:
    """The faults that a request brings.

    A new object, and one whose pod template changes, answers for all its faults: a changed template makes new Pods,
    and they would be refused where nobody looks. Any other change answers only for faults that were not there before,
    so that what is already faulty can be scaled, finalized and mended step by step; the same words on another line are
    the same fault.
    """
    before = request.subject_before
    found = judge(request.subject, policy)
    if before is not None and (relabelled := judge(relabelling(request), policy)):
        found = tuple(sorted((*found, *relabelled), key=lambda one: one.rule))
    if not found or request.operation is Operation.CREATE or request.template_changed or before is None:
        return found
    known = {identity for violation in judge(before, policy) for identity in violation.identities}
    return tuple(violation for violation in found if not known.issuperset(violation.identities))


def relabelling(request: Request) -> Relabelling | None:
    """The change of a Pod's labels that a request is, if it is one."""
    if not request.target.is_pod or request.workload is None or request.before is None:
        return None
    return Relabelling(request.before.places[0], request.workload.places[0])
