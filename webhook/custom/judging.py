"""What custom rules say of a request.  Pure: the compiled expressions are values like the rules' own functions."""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from webhook.custom.cost import BUDGET, Size, TooLargeError, afford, measured, price
from webhook.custom.library import (
    VARIABLES,
    BadExpressionError,
    EvaluationError,
    LibraryMissingError,
    Program,
    compiled,
)
from webhook.custom.reads import Path, reached
from webhook.model.custom import CustomRule
from webhook.model.decision import Known, LabelsWanted
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.request import Operation, Request
from webhook.model.violation import Violation

OBJECT, BEFORE, REQUEST, NAMESPACE, PARAMS = VARIABLES
# What of a request is the same for the old object as for the new one.
NAMING = frozenset((name,) for name in ("namespace", "name", "kind", "resource"))
# Why a rule may be neither true nor false.
FAILURES = (BadExpressionError, EvaluationError, LibraryMissingError, TooLargeError)
REMEDY = "whoever wrote the rule can ask by has() or .? and orValue() for what an object may lack"


class Seen(NamedTuple):
    """What expressions may read of one request, but for their own params, and the size of each."""

    values: Mapping[str, Any]
    sizes: Mapping[str, Size]

    @property
    def before(self) -> "Seen":
        """The same with the old object in the object's place."""
        return Seen({**self.values, OBJECT: self.values[BEFORE]}, {**self.sizes, OBJECT: self.sizes[BEFORE]})

    def size(self, names: Iterable[str]) -> Size:
        """The size of some of them together."""
        return reduce(or_, (self.sizes[name] for name in names if name in self.sizes), Size(0, 0))


def judge_custom(request: Request, policy: GuardPolicy, known: Known) -> tuple[Violation, ...] | LabelsWanted:
    """The faults that a request brings under the custom rules that are about it, or what they have to be told first.

    An error counts as a fault, so that it does what the rule's mode says: no rule is passed over in silence.
    """
    rules = list(asked(request, policy))
    if not rules:
        return ()
    space = request.target.namespace
    if space and known.namespace is None and any(NAMESPACE in fields_read(rule) for rule in rules):
        return LabelsWanted(space)
    told = [rule for rule in rules if not left_out(rule, known)]
    try:
        values = variables_of(request, known)
        seen = Seen(values, {name: measured(value) for name, value in values.items()})
    except (TooLargeError, msgspec.MsgspecError, RecursionError, ValueError) as bad:
        return tuple(failed(rule, bad) for rule in told)
    return tuple(found for rule in told for found in judged(rule, request, seen))


def price_of_all(request: Request, policy: GuardPolicy) -> int:
    """How many bytes all custom rules together may look at to judge a request's object, each within its own budget."""
    rules = list(asked(request, policy))
    if not rules or request.document is None:
        return 0
    try:
        size = measured(plain(request.document.content))
        prices = [price(compiled(rule.cel).shape, size, rule.params) for rule in rules]
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
        if rule.applies(request.target.group, request.target.resource) and policy.holds(rule.id):
            yield rule


def left_out(rule: CustomRule, known: Known) -> bool:
    """Whether a rule reads what nobody here can tell."""
    return known.namespace is not None and known.namespace.content is None and NAMESPACE in fields_read(rule)


def fields_read(rule: CustomRule) -> Mapping[str, frozenset[Path]]:
    """The variables that a rule names and what it reads of each; one that cannot be compiled names none."""
    try:
        return compiled(rule.cel).reads
    except (BadExpressionError, LibraryMissingError):
        return {}


def variables_of(request: Request, known: Known) -> Mapping[str, Any]:
    """What expressions may read, but for their own params."""
    assert request.document is not None
    return {
        OBJECT: plain(request.document.content),
        BEFORE: plain(request.document.before),
        REQUEST: attributes(request, request.document.user_uid),
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


def judged(rule: CustomRule, request: Request, seen: Seen) -> Iterator[Violation]:
    """The fault that a request brings under one rule, if it does.

    As with the built-in rules, a change answers for what was not wrong before, unless it makes new Pods, or the rule is
    about the change.  An error says nothing of what was before, so it counts; where nothing that the rule reads has
    changed, it is told and refuses nothing.
    """
    new = request.operation is Operation.CREATE or request.template_changed or is_about_change(rule)
    try:
        if passes(rule, seen):
            return
    except FAILURES as bad:
        found = failed(rule, bad)
        yield found if new or touched(rule, seen) else replace(found, at_most=Mode.WARN)
        return
    if new or not was_false(rule, seen):
        yield Violation(rule=rule.id, path="", message=rule.says)


def is_about_change(rule: CustomRule) -> bool:
    """Whether a rule reads what has no meaning for the old object alone: that object itself, or who changes what how."""
    read = fields_read(rule)
    return BEFORE in read or any(path[:1] not in NAMING for path in read.get(REQUEST, ()))


def touched(rule: CustomRule, seen: Seen) -> bool:
    """Whether anything differs that a rule reads of the object."""
    old, new = seen.values[BEFORE], seen.values[OBJECT]
    encode = msgspec.json.encode  # true is not 1 there
    return any(encode(reached(old, path)) != encode(reached(new, path)) for path in fields_read(rule).get(OBJECT, ()))


def was_false(rule: CustomRule, seen: Seen) -> bool:
    """Whether a rule is false of the old object."""
    try:
        return not passes(rule, seen.before)
    except FAILURES:
        return False


def passes(rule: CustomRule, seen: Seen) -> bool:
    """Whether a rule is true of an object; raises what FAILURES has."""
    program: Program = compiled(rule.cel)
    afford(program.shape, seen.size(program.reads), rule.params)
    return program.run({**seen.values, PARAMS: rule.params})


def failed(rule: CustomRule, bad: Exception) -> Violation:
    """The fault of an object of which a rule cannot tell whether it is fine."""
    return Violation(rule=rule.id, path="", message=f"the rule's expression fails: {bad}; {REMEDY}")
