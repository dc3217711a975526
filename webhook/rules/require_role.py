"""Every Pod has a role."""

from collections.abc import Iterator

from webhook.model.policy import GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Workload


def roleless(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The places without a role label, or with an empty one."""
    role = policy.workloads.role
    for place in workload.labelled(policy.workloads.scope):
        if lack := place.lack(role.keys):
            yield Fault(
                path=place.at(lack.key),
                message=f"the label {lack.key!r} is {lack.how}; the roles are {', '.join(role.one_of)}",
                remedy=Remedy(place=place.path, label=lack.key, choices=role.one_of),
            )


RULE = Rule(id="require-role", since="0.1", check=roleless)
