"""An object has the same role and application as the Pods that it creates.

The rule compares the labels of an object, such as a Deployment, with the labels in its Pod template. An object without these
labels complies with the rule.
"""

from collections.abc import Iterator

from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.rule import FixConstraint, Remedy, Rule, RuleFinding
from webhook.model.workload import Workload


def apart(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield the labels of an object that its pod template contradicts."""
    if workload.own is None:
        return
    for label in (policy.workloads.app, policy.workloads.role):
        own = label.found(workload.own.labels)
        for place in workload.places if own else ():
            found = label.found(place.labels)
            if own and own.value and found and found.value and found.value != own.value:
                yield RuleFinding(
                    place.at(found.key),
                    f"{found.key!r} is {found.value!r} on the Pods and {own.value!r} on the {workload.kind}; use "
                    "the same value for both",
                    Remedy(workload.own.path, own.key, value=found.value),
                )


RULE = Rule(id="labels-agree", since="0.1", check=apart, at_most=Mode.WARN, constrains=FixConstraint.AGREEMENT)
