"""Which faults an object has from an owner older than catflap: those that the owner's own template has, and no others."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from webhook.custom.evaluation import evaluate_rules, plain
from webhook.guard.judge import judge
from webhook.model.decision import Known, OldOwner
from webhook.model.kinds import BY_RESOURCE
from webhook.model.policy import GuardPolicy
from webhook.model.request import Document, Request
from webhook.model.violation import Violation
from webhook.model.workload import Workload
from webhook.rules import RULES


def inherited(found: Iterable[Violation], request: Request, policy: GuardPolicy, known: Known) -> tuple[Violation, ...]:
    """Those of the faults of a request that one of its old owners has as well.

    As where an object changes, the same words are the same fault, wherever they are: the mutating phase may have written a label
    from its alias. A custom rule says the same of every object, so one that is false of the template excuses its fault.
    """
    found, owners = tuple(found), known.old_owners or ()
    builtin = {
        (one.rule, one.message)
        for owner in owners
        for candidate in stand_ins(request, owner)
        for one in judge(candidate, policy)
    }
    custom: set[str] = set()
    if any(one.rule not in RULES for one in found):
        custom = {one.rule for owner in owners for one in custom_faults(request, owner, policy, known)}
    return tuple(one for one in found if (one.rule, one.message) in builtin or one.rule in custom)


def stand_ins(request: Request, owner: OldOwner) -> Iterator[Workload]:
    """The object as its owner's template alone would have it.

    Its own labels, where it has any besides those of its Pods, are the owner's, those of the template, or those that the owner
    writes onto what it makes: controllers differ in that.
    """
    assert request.workload is not None
    alone = replace(request.workload, places=owner.workload.places)
    if request.workload.own is None:
        yield alone
        return
    for labelled in (owner.workload.own, owner.made, *owner.workload.places):
        if labelled is not None:
            yield replace(alone, own=replace(request.workload.own, labels=labelled.labels))


def custom_faults(request: Request, owner: OldOwner, policy: GuardPolicy, known: Known) -> tuple[Violation, ...]:
    """What custom rules say of the object as its owner's template alone would have it."""
    if request.document is None:
        return ()
    content = with_template(plain(request.document.content), request, owner.template)
    document = Document(content, request.document.before, request.document.user_uid)
    judged = evaluate_rules(replace(request, document=document), policy, known)
    return judged if isinstance(judged, tuple) else ()


def with_template(content: Mapping[str, Any], request: Request, template: Mapping[str, Any]) -> dict[str, Any]:
    """An object with another pod template in place of its own; a Pod is its own template, but for its name and its owners."""
    if request.target.is_pod:
        said = template.get("metadata") or {}
        metadata = {**(content.get("metadata") or {}), "labels": {}, "annotations": {}, **said}
        return {**content, "metadata": metadata, "spec": template.get("spec") or {}}
    maker = BY_RESOURCE[request.target.group, request.target.resource]
    return placed(content, maker.template.split("."), template)


def placed(content: Mapping[str, Any], path: list[str], value: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested mappings with another value at a path."""
    step, *rest = path
    inner = content.get(step)
    below = placed(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value
    return {**content, step: below}
