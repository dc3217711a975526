"""The role of a Pod is one of the roles in the policy file.

Letter case counts. The rule checks the role label. An alias whose value is not a role does not count, and does not violate
this rule, because many charts use such labels for their own components.
"""

from collections.abc import Iterator

from webhook.model.abbreviation import listed
from webhook.model.cel import ROLES, everywhere, literal
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Remedy, Rule, RuleFinding
from webhook.model.workload import Workload


def unknown(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield the role labels whose value is not on the closed list; letter case counts.

    An alias with such a value does not count, and is no fault: charts of others use it for their own components.
    """
    role = policy.workloads.role
    for place in workload.labelled(policy.workloads.scope):
        value = place.labels.get(role.label)
        if value and value not in role.one_of:
            nearest = role.nearest(value)
            hint = f" (did you mean {nearest!r}?)" if nearest else ""
            yield RuleFinding(
                path=place.at(role.label),
                message=f"unknown role {value!r}{hint}; the roles are {listed(role.one_of)}",
                remedy=Remedy(place.path, role.label, value=role.intended(place.labels), choices=role.one_of),
            )


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """Yield the CEL expressions of this rule for the API server."""
    key = literal(policy.workloads.role.label)
    label = f"p.labels[{key}]"
    sound = f"!({key} in p.labels) || {label} == '' || {label} in {ROLES}"
    yield everywhere(sound, f"p.labels[?{key}] == q.labels[?{key}]")


RULE = Rule(id="known-role", since="0.1", check=unknown, in_cel=in_cel)
