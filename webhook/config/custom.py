"""Check the ids and the expressions of custom rules."""

import re
from collections.abc import Iterable, Iterator, Mapping
from math import isnan
from typing import Any

from webhook.cel.cost import SMALLEST, TooLargeError, checked_cost, measure
from webhook.cel.library import (
    BadExpressionError,
    LibraryMissingError,
    compile_expression,
    load_library,
    written_patterns,
)
from webhook.config.faults import PolicyFault
from webhook.model.abbreviation import listed
from webhook.model.custom_rule import ALL_WORKLOADS, MAX_CUSTOM_RULES, CustomRule, resource_names
from webhook.model.kinds import KUBERNETES_OWN, POD_MAKERS, PodMaker
from webhook.model.label_pattern import size
from webhook.model.policy import GuardPolicy
from webhook.model.spelling import closest_word
from webhook.rules import RULES

# The library compiles this much in half a second (benchmarks/reading.py).
MOST_CHARACTERS = 50_000
LARGEST_PATTERNS = 150_000
VERSION = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]+)?")
# kubectl's short names (https://kubernetes.io/docs/reference/kubectl/#resource-types).
SHORT: Mapping[str, tuple[str, ...]] = {
    "pods": ("po",),
    "deployments": ("deploy",),
    "daemonsets": ("ds",),
    "statefulsets": ("sts",),
    "replicasets": ("rs",),
    "replicationcontrollers": ("rc",),
    "cronjobs": ("cj",),
}
LOWEST, HIGHEST = -(2**63), 2**64 - 1  # the range of CEL's int and uint


def custom(policy: GuardPolicy) -> Iterator[PolicyFault]:
    """Yield every fault of every custom rule, and compile the sound rules once for all requests."""
    if not policy.custom:
        return
    seen: set[str] = set()
    for number, rule in enumerate(policy.custom):
        path = f"custom[{number}]"
        if rule.id in RULES:
            yield PolicyFault(f"{path}.id", f"{rule.id!r} is the id of a built-in rule; choose another id")
        if rule.id in seen:
            yield PolicyFault(f"{path}.id", f"an earlier custom rule has the id {rule.id!r}; choose another id")
        seen.add(rule.id)
    try:
        load_library()
    except LibraryMissingError as bad:
        yield PolicyFault("custom", str(bad))
        return
    if told := list(too_much(policy.custom)):
        yield from told
        return
    for number, rule in enumerate(policy.custom):
        yield from unknown_resources(policy, rule, f"custom[{number}].resources")
        if wrong := list(unfit_params(rule, f"custom[{number}].params")):
            yield from wrong
            continue
        for what in complaints(rule):
            yield PolicyFault(f"custom[{number}].cel", what)


def too_much(rules: Iterable[CustomRule]) -> Iterator[PolicyFault]:
    """Yield the reason why catflap does not compile the expressions: the library would need seconds."""
    if (length := sum(len(rule.cel) for rule in rules)) > MOST_CHARACTERS:
        yield PolicyFault(
            "custom",
            f"the expressions of all custom rules have {length} characters together; the limit is {MOST_CHARACTERS}",
        )
    elif (large := sum(size(one, "pP") for rule in rules for one in written_patterns(rule.cel))) > LARGEST_PATTERNS:
        message = (
            f"with expanded repetitions, the patterns of all custom rules have {large} characters together; "
            "the limit is "
        )
        yield PolicyFault("custom", f"{message}{LARGEST_PATTERNS}")


def unknown_resources(policy: GuardPolicy, rule: CustomRule, path: str) -> Iterator[PolicyFault]:
    """Yield a fault for each resource of a rule that neither a built-in kind nor an extra kind makes Pods from."""
    makers = (*POD_MAKERS, *policy.workloads.extra_by_resource.values())
    known = {name: maker for maker in makers for name in resource_names(maker.group, maker.resource)}
    own = [maker.resource for maker in KUBERNETES_OWN]
    for number, name in enumerate(rule.resources):
        if name == ALL_WORKLOADS or name in known:
            continue
        what = f"{name!r} is not a resource that custom rules can check" if name else "the text is empty"
        if others := sorted(full for full, maker in known.items() if maker.resource == name):
            remedy = f": write {' or '.join(others)}, because a plural without a group means the resource of Kubernetes"
        elif meant := resource_meant(name, known):
            remedy = f"; did you mean {meant!r}?"
        else:
            remedy = (
                f": write {ALL_WORKLOADS} for all resources that create Pods, or some of {listed(own, len(own))}; "
                "write a custom resource with its group, such as rollouts.argoproj.io"
            )
        yield PolicyFault(f"{path}[{number}]", f"{what}{remedy}")


def resource_meant(name: str, known: Mapping[str, PodMaker]) -> str | None:
    """Return the resource that a name probably means.

    The name may be a kind, a short name or a singular, and may have a version or a typing error.
    """
    word = name.lower()
    group, _, plural = word.rpartition("/")
    parts = word.split(".")
    forms = {
        word,
        f"{plural}.{group}".rstrip("."),
        plural,
        ".".join(part for part in parts if not VERSION.fullmatch(part)),
    }
    if "*" in forms or "all" in forms:
        return ALL_WORKLOADS
    by_kind = {
        one: full
        for full, maker in sorted(known.items())
        for one in (full, maker.kind.lower(), f"{maker.kind.lower()}.{maker.group}")
    }
    by_kind |= {
        one: full
        for full, maker in known.items()
        if full == maker.resource
        for one in (full, maker.kind.lower(), *SHORT.get(full, ()))
    }
    found = next((by_kind[one] for one in sorted(forms) if one in by_kind), None)
    return found or closest_word(word, (ALL_WORKLOADS, *known))


def complaints(rule: CustomRule) -> Iterator[str]:
    """Yield the faults of one expression."""
    try:
        program = compile_expression(rule.cel)
        checked_cost(program.shape, SMALLEST, rule.params)
    except BadExpressionError as bad:
        yield from bad.complaints
        return
    except TooLargeError:
        yield (
            "the expression can exceed the cost limit for every object, because of its loops and the size of its "
            "literals and params; simplify it"
        )
        return
    if "params" in program.reads and rule.params is None:
        yield "the expression reads params, and the rule has no params; add params"


def unfit_params(rule: CustomRule, path: str) -> Iterator[PolicyFault]:
    """Yield the faults of a rule's params."""
    try:
        measure(rule.params)
    except TooLargeError as bad:
        yield PolicyFault(path, str(bad).replace("the object", "it"))
        return
    yield from unfit(rule.params, path)


def unfit(value: Any, path: str) -> Iterator[PolicyFault]:
    """Yield a fault for each number in a value that CEL cannot take or compare; CEL takes all other values."""
    if isinstance(value, int) and not LOWEST <= value <= HIGHEST:
        yield PolicyFault(path, "the number has more than 64 bits; write it in quotes to use it as text")
    if isinstance(value, float) and isnan(value):
        yield PolicyFault(path, ".nan is not a number and does not compare with numbers; write a number")
    for key, one in value.items() if isinstance(value, dict) else ():
        yield from unfit(one, f"{path}.{key}")
    for number, one in enumerate(value if isinstance(value, list) else ()):
        yield from unfit(one, f"{path}[{number}]")


def custom_ids(content: Mapping[Any, Any]) -> list[str]:
    """Return the ids of custom rules in a file that may have faults."""
    rules = content.get("custom")
    rules = rules[:MAX_CUSTOM_RULES] if isinstance(rules, list) else []
    return [str(rule.get("id")) for rule in rules if isinstance(rule, dict)]
