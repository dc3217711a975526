"""A Pod's role is one of the roles there are."""

from collections.abc import Iterator

from webhook.model.abbreviation import listed
from webhook.model.cel import BEFORE, LENIENT, PLACES, ROLES, literal
from webhook.model.policy import GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Workload


def unknown(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The labels that name the role, by whichever name, and say what is not on the closed list; letter case counts."""
    role = policy.workloads.role
    for place in workload.labelled(policy.workloads.scope):
        for key in role.keys:
            value = place.labels.get(key)
            if value and value not in role.one_of:
                nearest = role.nearest(value)
                hint = f" (did you mean {nearest!r}?)" if nearest else ""
                yield Fault(
                    path=place.at(key),
                    message=f"the role {value!r} is not known{hint}; the roles are {listed(role.one_of)}",
                    remedy=Remedy(place.path, key, value=role.intended(place.labels), choices=role.one_of),
                )


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """The same for the API server."""
    keys = literal(list(policy.workloads.role.keys))
    said = "p.labels[key]"
    sound = f"!(key in p.labels) || {said} == '' || {said} in {ROLES}"
    known = f"{LENIENT} && {BEFORE}.exists(q, {keys}.exists(other, other in q.labels && q.labels[other] == {said}))"
    yield f"{PLACES}.all(p, {keys}.all(key, {sound} || ({known})))"


RULE = Rule(id="known-role", since="0.1", check=unknown, in_cel=in_cel)
