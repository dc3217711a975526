"""Every Pod names its application."""

from collections.abc import Iterator

from webhook.model.cel import everywhere, lack, literal
from webhook.model.policy import GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Workload


def unnamed(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The places without an application label, or with an empty one."""
    app = policy.workloads.app
    for place in workload.labelled(policy.workloads.scope):
        if lack := place.lack(app.keys):
            yield Fault(
                path=place.at(lack.key),
                message=f"the label {lack.key!r} is {lack.how}; it names the application",
                remedy=Remedy(
                    place=place.path,
                    label=lack.key,
                    value=lack.meant or app.intended(place.labels) or workload.label_from_name,
                ),
            )


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """The same for the API server."""
    keys = literal(list(policy.workloads.app.keys))
    yield everywhere(f"{lack(keys, 'p')} == ''", f"{lack(keys, 'p')} == {lack(keys, 'q')}")


RULE = Rule(id="require-app", since="0.1", check=unnamed, in_cel=in_cel)
