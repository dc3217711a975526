"""A label and its aliases say the same."""

from collections.abc import Iterator

from webhook.model.policy import AppLabel, GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Place, Workload


def disagreeing(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The aliases that say otherwise than the label beside them: people and tools would go by either."""
    role = policy.workloads.role
    for place in workload.places:
        yield from (fault for fault, _ in conflicts(place, policy.workloads.app))
        # A value that is no role is told of as such.
        yield from (fault for fault, value in conflicts(place, role) if value in role.one_of)


def conflicts(place: Place, label: AppLabel) -> Iterator[tuple[Fault, str]]:
    """The aliases of one label in conflict with it at one place, each with what it says."""
    if label.label not in place.labels:
        return
    meant = label.intended(place.labels)
    for alias in label.aliases:
        value = place.labels.get(alias)
        if value and meant and value != meant:
            message = (
                f"{alias!r} says {value!r}, and {label.label!r} stands for {meant!r}; remove one, or let them agree"
            )
            yield Fault(place.at(alias), message, Remedy(place.path, alias, value=meant)), value


RULE = Rule(id="no-alias-conflict", since="0.1", check=disagreeing)
