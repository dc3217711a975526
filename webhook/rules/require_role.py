"""Every Pod has a role."""

from collections.abc import Iterator

from webhook.model.abbreviation import listed
from webhook.model.cel import IS_POD, everywhere, lack, literal
from webhook.model.kinds import POD
from webhook.model.policy import GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Workload


def roleless(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The places without a role label, or with an empty one.

    Flows select Pods by the label itself, so a Pod needs that one; a template may leave it to be filled in on its Pods.
    """
    role = policy.workloads.role
    keys = (role.label,) if policy.network.flows and workload.kind == POD.kind else role.keys
    for place in workload.labelled(policy.workloads.scope):
        if lack := place.lack(keys):
            yield Fault(
                path=place.at(lack.key),
                message=f"the label {lack.key!r} is {lack.how}; the roles are {listed(role.one_of)}",
                remedy=Remedy(place.path, lack.key, value=role.intended(place.labels), choices=role.one_of),
            )


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """The same for the API server."""
    role = policy.workloads.role
    keys = literal(list(role.keys))
    if policy.network.flows:
        keys = f"({IS_POD} ? {literal([role.label])} : {keys})"
    yield everywhere(f"{lack(keys, 'p')} == ''", f"{lack(keys, 'p')} == {lack(keys, 'q')}")


RULE = Rule(id="require-role", since="0.1", check=roleless, in_cel=in_cel)
