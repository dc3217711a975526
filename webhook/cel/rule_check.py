"""The custom rules that apply to one request: which of them run, what they cost, and their violations."""

from collections.abc import Iterable, Iterator
from functools import cached_property

from msgspec import Struct

from webhook.cel.cost import BUDGET, estimated_cost
from webhook.cel.evaluation import (
    NAMESPACE,
    OBJECT,
    PREVIEW_ATTRIBUTES,
    REQUEST,
    UNREADABLE,
    Activation,
    CompiledRule,
    CostBudget,
    compiled,
    evaluate,
    failure_violation,
    variables_of,
)
from webhook.cel.field_reads import defaulted_fields, texts_in
from webhook.model.custom_rule import CustomRule
from webhook.model.decision import Unchecked
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.rule import Violation
from webhook.model.steps import NamespaceData


class CustomRuleResult(Struct, frozen=True):
    """The violations of an object under the custom rules, and the rules that were not evaluated."""

    violations: tuple[Violation, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


class CustomRuleCheck:
    """The custom rules that apply to one request, with the budget that all their runs share.

    An error of a rule counts as its violation, so the rule's mode decides the effect, and no rule is skipped silently.
    """

    def __init__(self, request: Request, policy: GuardPolicy) -> None:
        self._request = request
        self._rules = tuple(compiled(rule) for rule in applicable_rules(request, policy))
        self._budget = CostBudget()

    @cached_property
    def _variables(self) -> Activation | Exception:
        return variables_of(self._request, self._budget)

    @property
    def reads_namespace(self) -> bool:
        """Return whether a rule reads the namespace."""
        return any(NAMESPACE in one.reads for one in self._rules)

    @property
    def cost(self) -> int:
        """Return the cost of all rules together for the request's object, without rules that exceed their own budget."""
        if not self._rules or isinstance(self._variables, Exception):
            return 0  # no rule is run
        size = self._variables.sizes[OBJECT]
        costs = [estimated_cost(one.program.shape, size, one.rule.params) for one in self._rules if one.program]
        return sum(one for one in costs if one <= BUDGET)

    def run(self, namespace: NamespaceData | None) -> CustomRuleResult:
        """Run each rule whose inputs are available. A violation that may come from a default of the API server does not count."""
        if not self._rules:
            return CustomRuleResult()
        left_out = {
            one.rule.id: why for one in self._rules if (why := unavailable_input(one, self._request, namespace))
        }
        rules = [one for one in self._rules if one.rule.id not in left_out]
        counted: list[Violation] = []
        for rule, violation in run_rules(rules, self._request, self._variables, namespace):
            if why := defaulted_input(rule, self._request):
                left_out[rule.id] = why
            else:
                counted.append(violation)
        return CustomRuleResult(tuple(counted), tuple(Unchecked(rule, why) for rule, why in left_out.items()))

    def violated_by(self, request: Request, namespace: NamespaceData | None) -> frozenset[str]:
        """Return the ids of the rules that another object violates, in the budget of this request."""
        rules = [one for one in self._rules if not unavailable_input(one, request, namespace)]
        found = run_rules(rules, request, variables_of(request, self._budget), namespace)
        return frozenset(rule.id for rule, _ in found if not defaulted_input(rule, request))


def run_rules(
    rules: Iterable[CompiledRule], request: Request, variables: Activation | Exception, namespace: NamespaceData | None
) -> Iterator[tuple[CustomRule, Violation]]:
    """Yield the violations of an object, each with its rule; one of each rule where the object cannot be read."""
    try:
        if isinstance(variables, Exception):
            raise variables
        seen = variables.of(namespace.content if namespace else None)
    except UNREADABLE as bad:
        yield from ((one.rule, failure_violation(one.rule, bad)) for one in rules)
        return
    yield from ((one.rule, found) for one in rules for found in evaluate(one, request, seen))


def applicable_rules(request: Request, policy: GuardPolicy) -> Iterator[CustomRule]:
    """Yield the custom rules about a request's object that are not off everywhere."""
    if not policy.custom or request.document is None or request.target.subresource:
        return
    for rule in policy.custom:
        if rule.applies(request.target.group, request.target.resource) and policy.holds(rule.id):
            yield rule


def unavailable_input(rule: CompiledRule, request: Request, namespace: NamespaceData | None) -> str:
    """Return which input of a rule is unavailable, as a sentence; empty where all are available."""
    if namespace is not None and namespace.content is None and NAMESPACE in rule.reads:
        return "it reads the namespace, and no cluster is available"
    if request.document is None or not request.document.is_preview:
        return ""
    named = sorted(
        ".".join((REQUEST, *path[:1])) for path in rule.reads.get(REQUEST, ()) if path[:1] not in PREVIEW_ATTRIBUTES
    )
    return f"it reads {named[0]}, which only a real request has" if named else ""


def defaulted_input(rule: CustomRule, request: Request) -> str:
    """Return which input of a rule the API server sets by default and a manifest lacks, as a sentence; empty where there is none."""
    if request.document is None or not request.document.is_offline:
        return ""
    missing = sorted(defaulted_fields(rule.cel).difference(texts_in(request.document.content)))
    return f"it reads {missing[0]}, which the API server sets" if missing else ""
