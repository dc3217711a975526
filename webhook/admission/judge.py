"""Violations of an object under the built-in rules, and those that a change adds.

The size of an object is checked before any rule runs, and the modes of the rules decide whether a larger object is refused, warned of or
recorded. The API server calls webhooks before it validates an object, so any field may fill a request of 3 MiB (k8s.io/apiserver,
pkg/server/config.go, MaxRequestBodyBytes).
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from webhook.model.abbreviation import MOST_LISTED
from webhook.model.counting import counted
from webhook.model.kinds import BY_RESOURCE, LABELLING_SUBRESOURCES, POLICY_RESOURCES
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, PolicyObject, Request
from webhook.model.rule import NOT_EVALUATED, RuleFinding, Violation
from webhook.model.workload import Relabelling, Workload
from webhook.rules import RULES

# The rules about one kind of subject, in the order of their ids.
BY_SUBJECT = {
    about: tuple(rule for rule in RULES.values() if rule.about is about)
    for about in {one.about for one in RULES.values()}
}
# For each object or pod template; typical objects have about ten. The API server limits only the size of the object.
MAX_LABELS: Final = 500


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


def size_violation(subject: Any) -> RuleFinding | None:
    """Return the size limit that a workload exceeds; None if it exceeds none. The readers of network policies have their own limits."""
    if not isinstance(subject, Workload):
        return None
    for place in (subject.own, *subject.places) if subject.own else subject.places:
        if (count := len(place.labels)) > MAX_LABELS:
            what = f"the object has {count} labels, and the limit is {MAX_LABELS}; remove labels that no selector uses"
            return RuleFinding(f"{place.path}.labels", what)
    return None


def unread_violations(request: Request, policy: GuardPolicy) -> Iterator[Violation]:
    """Yield one violation for each rule that would check an unread object, in the order of rule ids."""
    about, target = checked_subjects(request, policy), request.target
    for rule in RULES.values():
        if rule.about in about and policy.holds(rule.id, rule.at_most):
            yield Violation(rule.id, "", request.unread, identity=NOT_EVALUATED)
    for custom in () if target.subresource else policy.custom:
        if custom.applies(target.group, target.resource) and policy.holds(custom.id):
            yield Violation(custom.id, "", request.unread, identity=NOT_EVALUATED)


def checked_subjects(request: Request, policy: GuardPolicy) -> frozenset[type]:
    """Return the subject types of the rules that could check the object of a request."""
    target = request.target
    resource = (target.group, target.resource)
    if request.operation not in {Operation.CREATE, Operation.UPDATE}:
        return frozenset()
    if target.subresource and target.subresource not in LABELLING_SUBRESOURCES.get(resource, ()):
        return frozenset()
    if target.is_pod:
        return frozenset({Workload, Relabelling})
    if resource in POLICY_RESOURCES:
        return frozenset({PolicyObject})
    known = resource in BY_RESOURCE or resource in policy.workloads.extra_by_resource
    return frozenset({Workload}) if known else frozenset()
