"""What of an object is judged at most: beyond that it is refused, warned of or recorded for its size, as the rules' modes say.

Sizes alone are looked at, before any rule is: the API server asks webhooks before it validates an object, so there may be as much of
everything as a request of 3 MiB holds (k8s.io/apiserver, pkg/server/config.go, MaxRequestBodyBytes).
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

# Of one object or pod template; people have some ten. The API server itself sets no bound but the object's size.
MAX_LABELS: Final = 500


class SizeViolation(Struct, frozen=True):
    """What an object has too much of, and where."""

    path: str
    message: str


def size_violation(subject: Any) -> SizeViolation | None:
    """What keeps a workload from being judged; None where nothing does. Network policies are bounded where they are read."""
    if isinstance(subject, Workload):
        places = (subject.own, *subject.places) if subject.own else subject.places
        return next((found for place in places if (found := too_many_labels(place))), None)
    return None


def too_many_labels(place: LabelLocation) -> SizeViolation | None:
    """The labels of one place, where they are too many."""
    count = len(place.labels)
    if count <= MAX_LABELS:
        return None
    return size_violation_text(
        f"{place.path}.labels", count, "labels", MAX_LABELS, "remove those that nothing selects by"
    )


def size_violation_text(path: str, count: int, what: str, most: int, remedy: str) -> SizeViolation:
    """An excess in words: the count, the bound and what to do."""
    return SizeViolation(path, f"it has {count} {what}, and {most} are the most that are judged; {remedy}")


def unread_violations(request: Request, policy: GuardPolicy) -> Iterator[Violation]:
    """One fault under each rule that would judge the object, in the order of the rules' ids."""
    about, target = subject_types(request, policy), request.target
    for rule in RULES.values():
        if rule.about in about and policy.holds(rule.id, rule.at_most):
            yield Violation(rule.id, "", request.unread, identity=NOT_EVALUATED)
    for custom in () if target.subresource else policy.custom:
        if custom.applies(target.group, target.resource) and policy.holds(custom.id):
            yield Violation(custom.id, "", request.unread, identity=NOT_EVALUATED)


def subject_types(request: Request, policy: GuardPolicy) -> frozenset[type]:
    """What rules could be about in the object of a request."""
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
