"""A Pod's role is one of the roles there are."""

from collections.abc import Iterator
from difflib import get_close_matches

from webhook.model.policy import GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Workload


def unknown(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The places whose role is set but not on the closed list; letter case counts."""
    role = policy.workloads.role
    for place in workload.labelled(policy.workloads.scope):
        found = place.find(role.keys)
        if found is not None and found.value and found.value not in role.one_of:
            nearest = next(iter(get_close_matches(found.value.lower(), role.one_of, n=1)), None)
            hint = f" (did you mean {nearest!r}?)" if nearest else ""
            yield Fault(
                path=place.at(found.key),
                message=f"the role {found.value!r} is not known{hint}; the roles are {', '.join(role.one_of)}",
                remedy=Remedy(place=place.path, label=found.key, value=nearest, choices=role.one_of),
            )


RULE = Rule(id="known-role", since="0.1", check=unknown)
