"""Limits on the size of checked objects. The modes of the rules decide whether a larger object is refused, warned of or recorded.

The size is checked before any rule runs. The API server calls webhooks before it validates an object, so any field may fill a request of
3 MiB (k8s.io/apiserver, pkg/server/config.go, MaxRequestBodyBytes).
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from webhook.model.kinds import BY_RESOURCE, LABELLING_SUBRESOURCES, POLICY_RESOURCES
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, PolicyObject, Request
from webhook.model.rule import NOT_EVALUATED, Violation
from webhook.model.workload import LabelLocation, Relabelling, Workload
from webhook.rules import RULES

# For each object or pod template; typical objects have about ten. The API server limits only the size of the object.
MAX_LABELS: Final = 500


class SizeViolation(Struct, frozen=True):
    """A field that exceeds a size limit."""

    path: str
    message: str


def size_violation(subject: Any) -> SizeViolation | None:
    """Return the size limit that a workload exceeds; None if it exceeds none. The readers of network policies have their own limits."""
    if isinstance(subject, Workload):
        places = (subject.own, *subject.places) if subject.own else subject.places
        return next((found for place in places if (found := too_many_labels(place))), None)
    return None


def too_many_labels(place: LabelLocation) -> SizeViolation | None:
    """Return the violation if one set of labels has too many; else None."""
    count = len(place.labels)
    if count <= MAX_LABELS:
        return None
    return size_violation_text(
        f"{place.path}.labels", count, "labels", MAX_LABELS, "remove labels that no selector uses"
    )


def size_violation_text(path: str, count: int, what: str, most: int, remedy: str) -> SizeViolation:
    """Return the violation with the count, the limit and the remedy in its message."""
    return SizeViolation(path, f"the object has {count} {what}, and the limit is {most}; {remedy}")


def unread_violations(request: Request, policy: GuardPolicy) -> Iterator[Violation]:
    """Yield one violation for each rule that would check an unread object, in the order of rule ids."""
    about, target = subject_types(request, policy), request.target
    for rule in RULES.values():
        if rule.about in about and policy.holds(rule.id, rule.at_most):
            yield Violation(rule.id, "", request.unread, identity=NOT_EVALUATED)
    for custom in () if target.subresource else policy.custom:
        if custom.applies(target.group, target.resource) and policy.holds(custom.id):
            yield Violation(custom.id, "", request.unread, identity=NOT_EVALUATED)


def subject_types(request: Request, policy: GuardPolicy) -> frozenset[type]:
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
