"""What custom rules say of a request.  Pure: the compiled expressions are values like the rules' own functions."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from webhook.custom.cost import BUDGET, Size, TooLargeError, afford, measured, price
from webhook.custom.library import BadExpressionError, EvaluationError, LibraryMissingError, Program, compiled
from webhook.model.custom import CustomRule
from webhook.model.decision import Known, LabelsWanted
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, Request
from webhook.model.violation import Violation

NAMESPACE = "namespaceObject"
BEFORE = "oldObject"
REMEDY = "whoever wrote the rule can ask by has() or .? and orValue() for what an object may lack"


def judge_custom(request: Request, policy: GuardPolicy, known: Known) -> tuple[Violation, ...] | LabelsWanted:
    """The faults that a request brings under the custom rules that are about it, or what they have to be told first.

    An error counts as a fault, so that it does what the rule's mode says: no rule is passed over in silence.
    """
    rules = list(asked(request, policy))
    if not rules:
        return ()
    if known.namespace is None and any(reads(rule, NAMESPACE) for rule in rules):
        return LabelsWanted(request.target.namespace)
    told = [rule for rule in rules if not left_out(rule, known)]
    try:
        variables = variables_of(request, known)
        size = measured(*variables.values())
    except (TooLargeError, msgspec.MsgspecError, RecursionError, ValueError) as bad:
        return tuple(failed(rule, bad) for rule in told)
    return tuple(found for rule in told for found in judged(rule, request, variables, size))


def price_of_all(request: Request, policy: GuardPolicy) -> int:
    """How many bytes all custom rules together may look at to judge a request's object, each within its own budget."""
    rules = list(asked(request, policy))
    if not rules or request.document is None:
        return 0
    try:
        size = measured(plain(request.document.content))
        prices = [price(compiled(rule.cel).shape, size) for rule in rules]
    except (TooLargeError, BadExpressionError, LibraryMissingError, msgspec.MsgspecError, RecursionError, ValueError):
        return 0  # they are not run
    return sum(one for one in prices if one <= BUDGET)


def unchecked(request: Request, policy: GuardPolicy, known: Known) -> tuple[str, ...]:
    """The ids of the rules that were not asked, as there is no cluster to tell what they read."""
    return tuple(rule.id for rule in asked(request, policy) if left_out(rule, known))


def asked(request: Request, policy: GuardPolicy) -> Iterator[CustomRule]:
    """The custom rules about a request's object that are not off everywhere."""
    if not policy.custom or request.document is None or request.target.subresource:
        return
    for rule in policy.custom:
        if rule.applies(request.target.resource) and policy.holds(rule.id):
            yield rule


def left_out(rule: CustomRule, known: Known) -> bool:
    """Whether a rule reads what nobody here can tell."""
    return known.namespace is not None and known.namespace.content is None and reads(rule, NAMESPACE)


def reads(rule: CustomRule, variable: str) -> bool:
    """Whether a rule names a variable; one that cannot be compiled names none."""
    try:
        return variable in compiled(rule.cel).reads
    except (BadExpressionError, LibraryMissingError):
        return False


def variables_of(request: Request, known: Known) -> Mapping[str, Any]:
    """What expressions may read, but for their own params."""
    assert request.document is not None
    return {
        "object": plain(request.document.content),
        BEFORE: plain(request.document.before),
        "request": attributes(request, request.document.user_uid),
        NAMESPACE: known.namespace.content if known.namespace else None,
    }


def attributes(request: Request, user_uid: str) -> Mapping[str, Any]:
    """What expressions may read of the request itself, without what is empty (k8s.io/api, admission/v1, AdmissionRequest)."""
    target = request.target
    user = {"username": request.user.name, "uid": user_uid, "groups": list(request.user.groups)}
    named = {"subResource": target.subresource, "name": target.name, "namespace": target.namespace}
    return {
        "uid": request.uid,
        "kind": {"group": target.group, "version": target.version, "kind": target.kind},
        "resource": {"group": target.group, "version": target.version, "resource": target.resource},
        **{key: value for key, value in named.items() if value},
        "operation": str(request.operation),
        "userInfo": {key: value for key, value in user.items() if value},
        "dryRun": request.dry_run,
    }


def plain(source: Any) -> Any:
    """An object as dicts and lists; one read from YAML as JSON would have it.  Raises what msgspec raises."""
    if isinstance(source, msgspec.Raw):
        return msgspec.json.decode(source)
    measured(source)  # before it is copied, as aliases make a short file of much
    return msgspec.to_builtins(source, str_keys=True)


def judged(rule: CustomRule, request: Request, variables: Mapping[str, Any], size: Size) -> Iterator[Violation]:
    """The fault that a request brings under one rule, if it does.

    As with the built-in rules, a change answers for what was not wrong before, unless it makes new Pods; a rule that
    reads the old object itself is about the change.
    """
    found = fault(rule, variables, size)
    if found is None:
        return
    kept = request.operation is not Operation.CREATE and not request.template_changed and not reads(rule, BEFORE)
    if kept and fault(rule, {**variables, "object": variables[BEFORE]}, size) == found:
        return
    yield found


def fault(rule: CustomRule, variables: Mapping[str, Any], size: Size) -> Violation | None:
    """What one rule says of one object; None where it is fine."""
    try:
        program: Program = compiled(rule.cel)
        afford(program.shape, size)
        passed = program.run({**variables, "params": rule.params})
    except (BadExpressionError, EvaluationError, LibraryMissingError, TooLargeError) as bad:
        return failed(rule, bad)
    return None if passed else Violation(rule=rule.id, path="", message=rule.says)


def failed(rule: CustomRule, bad: Exception) -> Violation:
    """The fault of an object of which a rule cannot tell whether it is fine."""
    return Violation(rule=rule.id, path="", message=f"the rule's expression fails: {bad}; {REMEDY}")
