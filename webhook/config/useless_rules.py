"""Find rules and settings of rules that judge nothing."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from webhook.cel.library import BadExpressionError, EvaluationError, LibraryMissingError, compile_expression
from webhook.config.faults import PolicyFault
from webhook.config.sound import Path, Remark
from webhook.model.custom_rule import ALL_WORKLOADS, CustomRule, resource_names
from webhook.model.exemptions import PolicyException
from webhook.model.kinds import BY_RESOURCE, POD_MAKERS
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.rules import RULES

OFF_EVERYWHERE: Final = "is off in every namespace"
# Operations that custom rules see; the API server does not ask catflap about a DELETE
# (webhook.controller.webhook_rules).
OPERATIONS: Final = ("CREATE", "UPDATE")
OPERATION: Final = r"request\s*\.\s*operation"


def idle(rule: str, policy: GuardPolicy) -> str:
    """Return why a rule judges nothing in any mode; empty for a rule that may judge something."""
    found = RULES.get(rule)
    if found is None or found.in_cel is None or next(iter(found.in_cel(policy)), None) is not None:
        return ""
    return f"{found.settings} is empty" if found.settings else "the policy file does not use it"


def modes(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the modes of rules that judge nothing."""
    places = [("rules", policy.rules)]
    places += [(f"namespaces.overrides[{n}].rules", one.rules) for n, one in enumerate(policy.namespaces.overrides)]
    for path, rules in places:
        for rule in rules:
            if why := idle(rule, policy):
                yield PolicyFault(f"{path}.{rule}", f"it has no effect: {why}, so the rule {rule} checks nothing")


def asked_for(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the settings that only one rule uses, if that rule is off everywhere."""
    for rule in RULES.values():
        if rule.settings and not idle(rule.id, policy) and not policy.holds(rule.id):
            yield PolicyFault(rule.settings, f"no Pod is checked: the rule {rule.id} {OFF_EVERYWHERE}")


def validating_admission_policy(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the API server's copy if it contains no rule."""
    scopes = (None, *policy.namespaces.overrides)
    copied = (one for one in RULES.values() if one.in_cel and not idle(one.id, policy))
    if policy.validating_admission_policy and not any(
        rule.mode(policy, one) is Mode.ENFORCE for rule in copied for one in scopes
    ):
        message = (
            "it has no effect: the copy contains the label rules with the mode enforce, and no label rule has this mode"
        )
        yield PolicyFault("validatingAdmissionPolicy", message)


def exceptions(policy: GuardPolicy, at: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the exceptions that admit nothing, and those that another exception includes."""
    latest: dict[tuple[str, str], int] = {}
    for number, one in enumerate(policy.exceptions):
        known = latest.setdefault((one.rule, one.namespace), number)
        if one.until > policy.exceptions[known].until:
            latest[one.rule, one.namespace] = number
    for number, one in enumerate(policy.exceptions):
        path, last = f"exceptions[{number}]", latest[one.rule, one.namespace]
        if last != number:
            yield PolicyFault(
                path,
                f"exceptions[{last}] is for the same rule and namespace and does not end earlier; remove "
                "this exception",
            )
        elif not one.counts(at):
            yield PolicyFault(f"{path}.until", f"the exception ended on {one.until}; remove it, or set a later date")
        elif why := needless(one, policy):
            yield PolicyFault(f"{path}.{why[0]}", f"{why[1]}, so the exception has no effect")


def needless(one: PolicyException, policy: GuardPolicy) -> tuple[str, str] | None:
    """Return the key by which an exception has no effect, and the reason; None if it may have an effect."""
    if not policy.holds(one.rule):
        return "rule", f"{one.rule} {OFF_EVERYWHERE}"
    if why := idle(one.rule, policy):
        return "rule", f"{why}, so {one.rule} checks nothing"
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
    """Yield remarks on the custom rules that judge nothing, and the ineffective parts of the others."""
    for number, rule in enumerate(policy.custom):
        path = f"custom[{number}]"
        if not policy.holds(rule.id):
            yield PolicyFault(path, f"the rule {rule.id} {OFF_EVERYWHERE}")
        for place, why in repeated(rule):
            yield PolicyFault(f"{path}.resources[{place}]", why)
        yield from expression(rule, path)


def repeated(rule: CustomRule) -> Iterator[tuple[int, str]]:
    """Yield the index of each resource that another resource of the list includes, with the reason."""
    full = {
        name: resource_names(one.group, one.resource)[0]
        for one in POD_MAKERS
        for name in resource_names(one.group, one.resource)
    }
    first: dict[str, str] = {}
    for number, name in enumerate(rule.resources):
        earlier = first.setdefault(full.get(name, name), name)
        if name != ALL_WORKLOADS and ALL_WORKLOADS in rule.resources:
            yield number, f"{name} is among {ALL_WORKLOADS}, which is also in this list; remove it"
        elif earlier != name:
            yield number, f"{name} is a duplicate of {earlier}; remove one of the two"


def expression(rule: CustomRule, path: str) -> Iterator[PolicyFault]:
    """Yield remarks on what an expression makes ineffective: the rule, its params, or a compared operation."""
    try:
        program = compile_expression(rule.cel)
        is_true = not program.reads and program.run({})
    except (BadExpressionError, EvaluationError, LibraryMissingError):
        return
    if is_true:
        yield PolicyFault(f"{path}.cel", "the expression is true for every object, so the rule rejects nothing")
    if rule.params and "params" not in program.reads:
        yield PolicyFault(f"{path}.params", "it has no effect: the expression does not read params; remove params")
    for operation in compared_operations(rule.cel):
        if operation not in OPERATIONS:
            message = f"request.operation is never {operation!r}: custom rules check {' and '.join(OPERATIONS)} only"
            yield PolicyFault(f"{path}.cel", message)


def compared_operations(cel: str) -> Iterable[str]:
    """Return the texts that an expression compares with request.operation."""
    found = re.findall(
        rf"""{OPERATION}\s*[!=]=\s*(?:'(\w*)'|"(\w*)")|(?:'(\w*)'|"(\w*)")\s*[!=]=\s*{OPERATION}\b""", cel
    )
    return dict.fromkeys("".join(one) for one in found)


def extra_kinds(policy: GuardPolicy, _: datetime) -> Iterator[PolicyFault]:
    """Yield remarks on the extra kinds that this release has built in; an earlier release may lack them."""
    for number, one in enumerate(policy.workloads.extra_kinds):
        if BY_RESOURCE.get((one.group, one.resource)) == one.maker:
            message = (
                f"{one.resource}.{one.group} is a built-in kind with the same template, so this item has no "
                "effect; remove it"
            )
            yield PolicyFault(f"workloads.extraKinds[{number}]", message)


REMARKS: Final[Mapping[Remark, tuple[Path, ...]]] = {
    exceptions: (("exceptions",),),
    modes: (("namespaces", "overrides"),),
    asked_for: (),
    validating_admission_policy: (),
    custom: (("custom",),),
    extra_kinds: (("workloads", "extraKinds"),),
}
