"""Violations of an object under the built-in rules, and those that a change adds."""

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
    """Return the mode of the rule of a violation, built-in or custom; `override` is the override for the namespace."""
    rule = RULES.get(violation.rule)
    mode = rule.mode(policy, override) if rule else policy.mode_of(violation.rule, override=override)
    return min(mode, violation.at_most, key=SEVERITY.index)


def managed_only(violation: Violation) -> bool:
    """Return whether a violation counts only in managed namespaces."""
    rule = RULES.get(violation.rule)
    return rule is not None and rule.managed_only


def judge(subject: Any, policy: GuardPolicy) -> tuple[Violation, ...]:
    """Return all violations of a workload, of a relabelling or of a network policy, in the order of rule ids.

    Rules that are off everywhere do not run. An object above a size limit has one violation of that limit under each rule, so the modes of the rules decide.
    """
    rules = [rule for rule in BY_SUBJECT.get(type(subject), ()) if policy.holds(rule.id, rule.at_most)]
    if excess := size_violation(subject):
        return tuple(Violation(rule.id, excess.path, excess.message, identity=NOT_EVALUATED) for rule in rules)
    return tuple(violation for rule in rules for violation in rule.judge(subject, policy))


def judge_request(request: Request, policy: GuardPolicy) -> tuple[Violation, ...]:
    """Return the violations that a request adds: the first of each rule, and a count of the others.

    For a new object, and for a changed pod template, these are all violations, because a changed template makes new Pods
    whose refusal a user would not notice. For other changes they are only the violations that the old object does not have,
    so an existing object can be scaled, finalized and fixed step by step. A violation with the same message at another path is
    the same violation.
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
    """Return the first violations of each rule and one that counts the rest, in the order of the rules."""
    listed: list[Violation] = []
    for rule, each in groupby(found, key=lambda one: one.rule):
        violations = list(each)
        listed += violations[:MOST_LISTED]
        if rest := violations[MOST_LISTED:]:
            several = "more than " if any(one.identity == NOT_EVALUATED for one in rest) else ""
            count = sum(one.count for one in rest)
            listed.append(
                Violation(rule, "", f"and {several}{counted(count, 'more violation')} of this rule", count=count)
            )
    return tuple(listed)


def relabelling(request: Request) -> Relabelling | None:
    """Return the change of a Pod's labels by a request; None if there is none."""
    if not request.target.is_pod or request.workload is None or request.before is None:
        return None
    return Relabelling(request.before.places[0], request.workload.places[0])
