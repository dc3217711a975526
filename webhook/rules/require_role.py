"""Every Pod has a role."""

from collections.abc import Iterator

from webhook.model.policy import GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Workload


def roleless(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The places without a role label, or with an empty one."""
    role = policy.workloads.role
    for place in workload.places:
        found = place.find(role.keys)
        if found is None or not found.value:
            key = found.key if found else role.label
            yield Fault(
                path=place.at(key),
                message=f"the label {key!r} is {'empty' if found else 'missing'}; the roles are {', '.join(role.one_of)}",
                remedy=Remedy(place=place.path, label=key, choices=role.one_of),
            )


RULE = Rule(id="require-role", since="0.1", check=roleless)
