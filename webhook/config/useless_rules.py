"""Rules, and settings of rules, by which nothing is judged."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from webhook.config.faults import PolicyFault
from webhook.config.sound import Path, Remark
from webhook.custom.library import BadExpressionError, EvaluationError, LibraryMissingError, compile_expression
from webhook.model.custom_rule import ALL_WORKLOADS, CustomRule, resource_names
from webhook.model.exemptions import PolicyException
from webhook.model.kinds import BY_RESOURCE, POD_MAKERS
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.rules import RULES

OFF_EVERYWHERE: Final = "is off in every namespace"
# Of a request that comes to custom rules; catflap is not asked about a DELETE (webhook.controller.registration).
OPERATIONS: Final = ("CREATE", "UPDATE")
OPERATION: Final = r"request\s*\.\s*operation"


def idle(rule: str, policy: GuardPolicy) -> str:
    """Return why a rule judges nothing, whatever its mode is; empty for one that may judge something."""
    found = RULES.get(rule)
    if found is None or found.in_cel is None or next(iter(found.in_cel(policy)), None) is not None:
        return ""
    return f"nothing is asked for under {found.settings}" if found.settings else "the file asks for nothing by it"


def modes(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the modes of rules that judge nothing."""
    places = [("rules", policy.rules)]
    places += [(f"namespaces.overrides[{n}].rules", one.rules) for n, one in enumerate(policy.namespaces.overrides)]
    for path, rules in places:
        for rule in rules:
            if why := idle(rule, policy):
                yield PolicyFault(f"{path}.{rule}", f"it has no effect: {why}, so the rule {rule} judges nothing")


def asked_for(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the settings that only one rule judges by, where it is off everywhere."""
    for rule in RULES.values():
        if rule.settings and not idle(rule.id, policy) and not policy.holds(rule.id):
            yield PolicyFault(rule.settings, f"no Pod is judged by it: the rule {rule.id} {OFF_EVERYWHERE}")


def twin(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the copy for the API server that has no rule in it."""
    scopes = (None, *policy.namespaces.overrides)
    copied = (one for one in RULES.values() if one.in_cel and not idle(one.id, policy))
    if policy.twin and not any(rule.mode(policy, one) is Mode.ENFORCE for rule in copied for one in scopes):
        message = "it has no effect: the API server gets the rules about labels that refuse, and none of them has the mode enforce anywhere"
        yield PolicyFault("twin", message)


def exceptions(policy: GuardPolicy, at: datetime) -> Iterator[PolicyFault]:
    """Return the exceptions that let nothing pass, and those that another one makes needless."""
    latest: dict[tuple[str, str], int] = {}
    for number, one in enumerate(policy.exceptions):
        known = latest.setdefault((one.rule, one.namespace), number)
        if one.until > policy.exceptions[known].until:
            latest[one.rule, one.namespace] = number
    for number, one in enumerate(policy.exceptions):
        path, last = f"exceptions[{number}]", latest[one.rule, one.namespace]
        if last != number:
            yield PolicyFault(
                path, f"exceptions[{last}] is for the same rule and namespace and ends no earlier; remove this one"
            )
        elif not one.counts(at):
            yield PolicyFault(f"{path}.until", f"the exception ended on {one.until}; remove it, or write a later day")
        elif why := needless(one, policy):
            yield PolicyFault(f"{path}.{why[0]}", f"{why[1]}, so the exception has no effect")


def needless(one: PolicyException, policy: GuardPolicy) -> tuple[str, str] | None:
    """Return by which key an exception has no effect, and why; None for one that may have an effect."""
    if not policy.holds(one.rule):
        return "rule", f"{one.rule} {OFF_EVERYWHERE}"
    if why := idle(one.rule, policy):
        return "rule", f"{why}, and {one.rule} judges nothing"
    if policy.namespaces.exempts(one.namespace):
        return "namespace", f"{one.namespace} is exempt from every rule"
    for number, override in enumerate(policy.namespaces.overrides):
        if override.labels and override.meets(one.namespace, override.labels):
            return None  # its labels decide
        if override.meets(one.namespace, {}):
            at_most = RULES[one.rule].at_most if one.rule in RULES else Mode.ENFORCE
            is_off = policy.mode_of(one.rule, at_most=at_most, override=override) is Mode.OFF
            return ("rule", f"namespaces.overrides[{number}] has {one.rule} off there") if is_off else None
    return None


def custom(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the custom rules that judge nothing, and what of the others has no effect."""
    for number, rule in enumerate(policy.custom):
        path = f"custom[{number}]"
        if not policy.holds(rule.id):
            yield PolicyFault(path, f"the rule {rule.id} {OFF_EVERYWHERE}")
        for place, why in repeated(rule):
            yield PolicyFault(f"{path}.resources[{place}]", why)
        yield from expression(rule, path)


def repeated(rule: CustomRule) -> Iterator[tuple[int, str]]:
    """Return the resources of a rule that another one of its list has already."""
    full = {
        name: resource_names(one.group, one.resource)[0]
        for one in POD_MAKERS
        for name in resource_names(one.group, one.resource)
    }
    first: dict[str, str] = {}
    for number, name in enumerate(rule.resources):
        earlier = first.setdefault(full.get(name, name), name)
        if name != ALL_WORKLOADS and ALL_WORKLOADS in rule.resources:
            yield number, f"{name} is among {ALL_WORKLOADS}, which is in this list; remove it"
        elif earlier != name:
            yield number, f"{name} is the same as {earlier} of this list; remove one of the two"


def expression(rule: CustomRule, path: str) -> Iterator[PolicyFault]:
    """Return what has no effect by a rule's expression: the rule itself, its params, a question about an operation."""
    try:
        program = compile_expression(rule.cel)
        is_true = not program.reads and program.run({})
    except (BadExpressionError, EvaluationError, LibraryMissingError):
        return
    if is_true:
        yield PolicyFault(f"{path}.cel", "it is true whatever the object is, so the rule refuses nothing")
    if rule.params and "params" not in program.reads:
        yield PolicyFault(f"{path}.params", "it has no effect: the expression does not read params")
    for operation in compared_operations(rule.cel):
        if operation not in OPERATIONS:
            message = f"request.operation is never {operation!r}: custom rules judge {' and '.join(OPERATIONS)} only"
            yield PolicyFault(f"{path}.cel", message)


def compared_operations(cel: str) -> Iterable[str]:
    """Return the texts that an expression compares request.operation with."""
    found = re.findall(
        rf"""{OPERATION}\s*[!=]=\s*(?:'(\w*)'|"(\w*)")|(?:'(\w*)'|"(\w*)")\s*[!=]=\s*{OPERATION}\b""", cel
    )
    return dict.fromkeys("".join(one) for one in found)


def extra_kinds(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Return the extra kinds that this release has built in, as an earlier one may not have had."""
    for number, one in enumerate(policy.workloads.extra_kinds):
        if BY_RESOURCE.get((one.group, one.resource)) == one.maker:
            message = f"{one.resource}.{one.group} is built in with the same template, so this has no effect; remove it"
            yield PolicyFault(f"workloads.extraKinds[{number}]", message)


REMARKS: Final[Mapping[Remark, tuple[Path, ...]]] = {
    exceptions: (("exceptions",),),
    modes: (("namespaces", "overrides"),),
    asked_for: (),
    twin: (),
    custom: (("custom",),),
    extra_kinds: (("workloads", "extraKinds"),),
}
