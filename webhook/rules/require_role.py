"""Every Pod has a role.

The keys `workloads.role.label` and `workloads.role.aliases` configure the label and its aliases. In a Pod template, an alias whose
value is a role is enough. If the policy file has flows, a Pod needs the role label, because flows select Pods by this label. With
`workloads.fillFromAliases`, catflap adds the role label to a new Pod that has only an alias.
"""

from collections.abc import Iterator

from webhook.model.abbreviation import listed
from webhook.model.cel import IS_POD, KNOWN_ROLE, everywhere, lack
from webhook.model.kinds import POD
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Remedy, Rule, RuleFinding
from webhook.model.workload import MISSING, LabelLocation, Workload
from webhook.model.workload_labels import RoleLabel


def roleless(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield the places without a role label, or with an empty one.

    Flows select Pods by the label itself, so a Pod needs the label itself. For a template, an alias is enough,
    because the mutating phase writes the label on its Pods.
    """
    role = policy.workloads.role
    by_alias = not (policy.network.flows and workload.kind == POD.kind)
    for place in workload.labelled(policy.workloads.scope):
        how = role.lack(place.labels)
        if not how and not by_alias and role.label not in place.labels:
            how = MISSING
        if how:
            state = f"the label {role.label!r} is {place.described(role.label, how)}"
            yield RuleFinding(
                path=place.at(role.label),
                message=f"{state}{other_use(place, role)}; the roles are {listed(role.one_of)}",
                remedy=Remedy(place.path, role.label, value=role.intended(place.labels), choices=role.one_of),
                parts=(state,),
            )


def other_use(place: LabelLocation, role: RoleLabel) -> str:
    """Return a hint about an alias whose value is not a role, because the user may believe that it counts."""
    alias = next((key for key in role.aliases if (value := place.labels.get(key)) and not role.counts(value)), None)
    return f" ({alias!r} does not count: {place.labels[alias]!r} is not a role)" if alias else ""


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """Yield the CEL expressions of this rule for the API server."""
    role = policy.workloads.role
    plain = IS_POD if policy.network.flows else "false"
    here, before = (lack(role.keys, KNOWN_ROLE, x, unless=plain) for x in ("p", "q"))
    yield everywhere(f"{here} == ''", f"{here} == {before}")


RULE = Rule(id="require-role", since="0.1", check=roleless, in_cel=in_cel)
