"""Evaluate the custom rules for a request.  Pure: compiled expressions are values, like the functions of the built-in rules."""

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from webhook.cel.cost import (
    BUDGET,
    ExpressionShape,
    ObjectSize,
    TooLargeError,
    checked_cost,
    measure,
)
from webhook.cel.field_reads import Path, value_at
from webhook.cel.library import (
    VARIABLES,
    BadExpressionError,
    EvaluationError,
    LibraryMissingError,
    Program,
    compile_expression,
)
from webhook.model.abbreviation import LONGEST_SENTENCE, shortened
from webhook.model.custom_rule import CustomRule
from webhook.model.modes import Mode
from webhook.model.request import Operation, Request
from webhook.model.rule import Violation

OBJECT, BEFORE, REQUEST, NAMESPACE, PARAMS = VARIABLES
# The attributes of a request that are the same for the old object and the new one.
NAME_ATTRIBUTES = frozenset((name,) for name in ("namespace", "name", "kind", "resource", "subResource"))
# The attributes that are known in a preview, without a real request: it would create the object.
PREVIEW_ATTRIBUTES = NAME_ATTRIBUTES | {("operation",), ("dryRun",)}
# The errors of a rule that is neither true nor false.
FAILURES = (BadExpressionError, EvaluationError, LibraryMissingError, TooLargeError)
# The errors of an object for which no expression can run.
UNREADABLE = (*FAILURES, msgspec.MsgspecError, RecursionError, ValueError, TypeError)
# For one request with both of its objects, whatever the number of rules: 0.2 to 1 s of one core.
ALL_TOGETHER = 2 * BUDGET
# etcd stores no larger object (--max-request-bytes, 1.5 MiB), so a larger one is rejected later in any case.
LARGEST_OBJECT = 3 << 19
# Commas in the JSON of an object. No other thread runs while it is decoded: 50 ms for this number of lists, however short they are.
MOST_VALUES = 50_000


class CostBudget:
    """The cost that all rules together may have for one request."""

    def __init__(self) -> None:
        self._left = ALL_TOGETHER

    def charge(self, shape: ExpressionShape, size: ObjectSize, params: Mapping[str, Any] | None) -> None:
        """Subtract the cost of one run; raises TooLargeError where it exceeds the limit of one run, or the rest of the budget."""
        cost = checked_cost(shape, size, params)
        if cost > self._left:
            raise TooLargeError("the cost of all rules together is too high for an object of this size")
        self._left -= cost


class Activation(NamedTuple):
    """The variables of one request, except the params of each rule, with the size of each, and the budget."""

    values: Mapping[str, Any]
    sizes: Mapping[str, ObjectSize]
    budget: "CostBudget"

    @property
    def before(self) -> "Activation":
        """Return the activation with the old object as `object`."""
        return Activation(
            {**self.values, OBJECT: self.values[BEFORE]}, {**self.sizes, OBJECT: self.sizes[BEFORE]}, self.budget
        )

    def of(self, namespace: Any) -> "Activation":
        """Return the activation with a namespace."""
        values, sizes = {**self.values, NAMESPACE: namespace}, {**self.sizes, NAMESPACE: measure(namespace)}
        return Activation(values, sizes, self.budget)

    def size(self, names: Iterable[str]) -> ObjectSize:
        """Return the size of some variables together."""
        return reduce(or_, (self.sizes[name] for name in names if name in self.sizes), ObjectSize(0, 0))


class CompiledRule(Struct, frozen=True):
    """A custom rule with its program, or with the error of a rule that does not compile."""

    rule: CustomRule
    program: Program | None
    error: Exception | None = None

    @property
    def reads(self) -> Mapping[str, frozenset[Path]]:
        """Return the variables that the rule names and the fields that it reads of each; none for a rule that does not compile."""
        return self.program.reads if self.program else {}


def compiled(rule: CustomRule) -> CompiledRule:
    """Return a rule with its program, which is compiled once."""
    try:
        return CompiledRule(rule, compile_expression(rule.cel))
    except (BadExpressionError, LibraryMissingError) as bad:
        return CompiledRule(rule, None, bad)


def variables_of(request: Request, budget: CostBudget) -> "Activation | Exception":
    """Return the variables of a request itself, or the error if they cannot be read."""
    try:
        return activation_of(request, budget)
    except UNREADABLE as bad:
        return bad


def activation_of(request: Request, budget: CostBudget) -> Activation:
    """Return the variables of a request itself.  Raises TooLargeError, and what `plain` raises."""
    assert request.document is not None
    values = {
        OBJECT: plain(request.document.content),
        BEFORE: plain(request.document.before),
        REQUEST: attributes(request, request.document.user_uid),
    }
    return Activation(values, {name: measure(value) for name, value in values.items()}, budget)


def attributes(request: Request, user_uid: str) -> Mapping[str, Any]:
    """Return the variable `request` without empty attributes (k8s.io/api, admission/v1, AdmissionRequest)."""
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
    """Return an object as dicts and lists; convert the types of YAML to those of JSON.  Raises what msgspec raises."""
    if isinstance(source, msgspec.Raw):
        if len(bytes(source)) > LARGEST_OBJECT:
            raise TooLargeError(f"the object has {len(bytes(source))} bytes, and the limit is {LARGEST_OBJECT}")
        if (values := bytes(source).count(b",")) > MOST_VALUES:
            raise TooLargeError(f"the object has about {values} values, and the limit is {MOST_VALUES}")
        return msgspec.json.decode(source)
    measure(source)  # before the copy: by aliases, a short file can have many values
    return msgspec.to_builtins(source, str_keys=True)


def evaluate(rule: CompiledRule, request: Request, seen: Activation) -> Iterator[Violation]:
    """Yield the violation of a request under one rule, if there is one.

    As with the built-in rules, an UPDATE counts only if the old object satisfied the rule, unless the update creates new Pods, or the rule
    is about the change.  An error says nothing about the old object, so it counts. Where nothing that the rule reads has
    changed, an error is only a warning.
    """
    new = request.operation is Operation.CREATE or request.template_changed or is_about_change(rule)
    try:
        if is_satisfied(rule, seen):
            return
    except FAILURES as bad:
        found = failure_violation(rule.rule, bad)
        yield found if new or has_changed_inputs(rule, seen) else replace(found, at_most=Mode.WARN)
        return
    if new or not was_violated(rule, seen):
        yield Violation(rule=rule.rule.id, path="", message=shortened(rule.rule.says, LONGEST_SENTENCE))


def is_about_change(rule: CompiledRule) -> bool:
    """Return whether a rule reads what has no meaning for the old object alone: `oldObject`, or attributes of the request."""
    attributes_read = rule.reads.get(REQUEST, ())
    return BEFORE in rule.reads or any(path[:1] not in NAME_ATTRIBUTES for path in attributes_read)


def has_changed_inputs(rule: CompiledRule, seen: Activation) -> bool:
    """Return whether a field that a rule reads differs between the old object and the new one."""
    old, new = seen.values[BEFORE], seen.values[OBJECT]
    encode = msgspec.json.encode  # true is not 1 there
    paths = rule.reads.get(OBJECT, ())
    try:
        seen.budget.charge(
            ExpressionShape(loops=(), makes=2 * len(paths)), seen.sizes[OBJECT] | seen.sizes[BEFORE], None
        )
    except TooLargeError:
        return True
    return any(encode(value_at(old, path)) != encode(value_at(new, path)) for path in paths)


def was_violated(rule: CompiledRule, seen: Activation) -> bool:
    """Return whether the old object violates a rule."""
    try:
        return not is_satisfied(rule, seen.before)
    except FAILURES:
        return False


def is_satisfied(rule: CompiledRule, seen: Activation) -> bool:
    """Return whether a rule is true for an object; raises the errors in FAILURES."""
    program, params = rule.program, rule.rule.params
    if program is None:
        assert rule.error is not None
        raise rule.error
    seen.budget.charge(program.shape, seen.size(program.reads), params)
    return program.run({**seen.values, PARAMS: params})


def failure_violation(rule: CustomRule, bad: Exception) -> Violation:
    """Return the violation for a rule whose expression fails."""
    remedy = f"; the author of the rule can {bad.remedy}" if isinstance(bad, EvaluationError) and bad.remedy else ""
    return Violation(rule=rule.id, path="", message=f"the rule's expression fails: {shortened(str(bad))}{remedy}")
