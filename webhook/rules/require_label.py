"""Every Pod has the further labels that the policy file requires.

The key `workloads.require` lists the labels and their valid values. It is empty by default, so the rule then has no effect.
"""

from collections.abc import Iterator

from webhook.model.abbreviation import listed
from webhook.model.cel import everywhere, literal
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Remedy, Rule, RuleFinding
from webhook.model.workload import Workload
from webhook.model.workload_labels import LabelRequirement


def lacking(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield each required label that is missing, or whose value the policy does not admit."""
    for required in policy.workloads.require:
        for place in workload.labelled(policy.workloads.scope):
            lack = place.lack(required.label)
            value = place.labels.get(required.label, "")
            if lack or not required.admits(value):
                state = f"is {lack}" if lack else f"has the value {value!r}"
                yield RuleFinding(
                    path=place.at(required.label),
                    message=f"the label {required.label!r} {state}; it must be {wanted(required)}",
                    remedy=Remedy(place=place.path, label=required.label, choices=required.one_of or ()),
                )


def wanted(required: LabelRequirement) -> str:
    """Return a description of the admitted values."""
    if required.one_of is not None:
        return f"one of {listed(required.one_of)}"
    return f"a full match of {required.matches}"


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """Yield the CEL expressions of this rule for the API server."""
    for required in policy.workloads.require:
        key = literal(required.label)
        label = f"p.labels[{key}]"
        sound = f"{key} in p.labels && {label} != '' && {admitted(required, label)}"
        yield everywhere(sound, f"p.labels[?{key}] == q.labels[?{key}]")


def admitted(required: LabelRequirement, value: str) -> str:
    """Return whether a value is one that the policy admits."""
    if required.one_of is not None:
        return f"{value} in {literal(list(required.one_of))}"
    return f"{value}.matches({literal(required.expression)})"


RULE = Rule(id="require-label", since="0.1", check=lacking, in_cel=in_cel, settings="workloads.require")
