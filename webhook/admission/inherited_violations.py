"""Violations that an object inherits from an owner older than catflap: only those that the owner's template also has."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from webhook.admission.judge import judge
from webhook.cel.evaluation import UNREADABLE, plain
from webhook.model.kinds import BY_RESOURCE
from webhook.model.policy import GuardPolicy
from webhook.model.request import Document, Request
from webhook.model.rule import Violation
from webhook.model.steps import OldOwner
from webhook.model.workload import Workload
from webhook.rules import RULES


def inherited_violations(
    found: tuple[Violation, ...],
    owners: Iterable[OldOwner],
    request: Request,
    policy: GuardPolicy,
    custom: Callable[[Request], Collection[str]],
) -> tuple[Violation, ...]:
    """Return the violations of a request that one of its old owners also has.

    Violations with the same message are the same, at any path, because the mutating phase may have written a label
    from its alias. A custom rule has one message for all objects, so its violation is excused if the rule is false for the template too.
    `custom` returns the ids of the custom rules that another object violates.
    """
    builtin: set[tuple[str, str]] = set()
    violated: set[str] = set()
    for owner in owners:
        for variant in template_variants(request, owner):
            builtin.update((one.rule, one.message) for one in judge(variant, policy))
        if any(one.rule not in RULES for one in found) and (as_templated := with_owner_template(request, owner)):
            violated.update(custom(as_templated))
    return tuple(one for one in found if (one.rule, one.message) in builtin or one.rule in violated)


def template_variants(request: Request, owner: OldOwner) -> Iterator[Workload]:
    """Yield variants of the object as its owner's template alone would produce it.

    The object's own labels, if they are not those of its Pods, can come from the owner, from the template, or from the labels that the owner
    writes on its objects. Controllers differ in this.
    """
    assert request.workload is not None
    alone = replace(request.workload, places=owner.workload.places)
    if request.workload.own is None:
        yield alone
        return
    for labelled in (owner.workload.own, owner.made, *owner.workload.places):
        if labelled is not None:
            yield replace(alone, own=replace(request.workload.own, labels=labelled.labels))


def with_owner_template(request: Request, owner: OldOwner) -> Request | None:
    """Return the request with the object as its owner's template alone would produce it; None if the object cannot be read."""
    assert request.document is not None  # custom rules check nothing else
    try:
        content = plain(request.document.content)
    except UNREADABLE:
        return None
    whole = with_template(content, request, owner.template)
    return replace(request, document=Document(whole, request.document.before, request.document.user_uid))


def with_template(content: Mapping[str, Any], request: Request, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with another pod template; for a Pod, everything but its name and owners is the template."""
    if request.target.is_pod:
        written = template.get("metadata") or {}
        metadata = {**(content.get("metadata") or {}), "labels": {}, "annotations": {}, **written}
        return {**content, "metadata": metadata, "spec": template.get("spec") or {}}
    maker = BY_RESOURCE[request.target.group, request.target.resource]
    return with_value_at(content, maker.template.split("."), template)


def with_value_at(content: Mapping[str, Any], path: list[str], value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested mappings with another value at a path."""
    step, *rest = path
    inner = content.get(step)
    below = with_value_at(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value
    return {**content, step: below}
