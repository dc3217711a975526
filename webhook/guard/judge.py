"""Which faults an object has, and which of them a change brings."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from webhook.guard.size_limits import size_violation, unread_violations
from webhook.model.abbreviation import MOST_LISTED
from webhook.model.counting import counted
from webhook.model.modes import SEVERITY, Mode, Override
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, Request
from webhook.model.rule import NOT_EVALUATED, Violation
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
    """Every fault of a workload, of its relabelling or of a network policy under each rule that is not off everywhere, in the order of the rules' ids.

    An object beyond what is judged has that one fault under each of the rules, so that their modes decide.
    """
    rules = [rule for rule in BY_SUBJECT.get(type(subject), ()) if policy.holds(rule.id, rule.at_most)]
    if excess := size_violation(subject):
        return tuple(Violation(rule.id, excess.path, excess.message, identity=NOT_EVALUATED) for rule in rules)
    return tuple(violation for rule in rules for violation in rule.judge(subject, policy))


def judge_request(request: Request, policy: GuardPolicy) -> tuple[Violation, ...]:
    """The faults that a request brings, of each rule the first ones and a count of the others.

    A new object, and one whose pod template changes, answers for all its faults: a changed template makes new Pods,
    and they would be refused where nobody looks. Any other change answers only for faults that were not there before,
    so that what is already faulty can be scaled, finalized and mended step by step; the same words on another line are
    the same fault.
    """
    if request.unread:
        return tuple(unread_violations(request, policy))
    before = request.subject_before
    is_new = request.operation is Operation.CREATE or request.template_changed or before is None
    if not is_new and request.subject == before:
        return ()
    found = judge(request.subject, policy)
    if before is not None and (relabelled := judge(relabelling(request), policy)):
        found = tuple(sorted((*found, *relabelled), key=lambda one: one.rule))
    if found and not is_new:
        earlier = [violation for violation in judge(before, policy) if violation.identity != NOT_EVALUATED]
        known = {identity for violation in earlier for identity in violation.identities}
        found = tuple(violation for violation in found if not known.issuperset(violation.identities))
    return limit_per_rule(found)


def limit_per_rule(found: Iterable[Violation]) -> tuple[Violation, ...]:
    """The first faults of each rule, and one that counts its others; in the order of the rules."""
    listed: list[Violation] = []
    for rule, each in groupby(found, key=lambda one: one.rule):
        violations = list(each)
        listed += violations[:MOST_LISTED]
        if rest := violations[MOST_LISTED:]:
            several = "more than " if any(one.identity == NOT_EVALUATED for one in rest) else ""
            count = sum(one.count for one in rest)
            listed.append(Violation(rule, "", f"and {several}{counted(count, 'more fault')} of this rule", count=count))
    return tuple(listed)


def relabelling(request: Request) -> Relabelling | None:
    """The change of a Pod's labels that a request is, if it is one."""
    if not request.target.is_pod or request.workload is None or request.before is None:
        return None
    return Relabelling(request.before.places[0], request.workload.places[0])
