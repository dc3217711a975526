"""Every Pod names its application."""

from collections.abc import Iterator

from webhook.model.policy import GuardPolicy
from webhook.model.violation import Fault, Remedy, Rule
from webhook.model.workload import Workload


def unnamed(workload: Workload, policy: GuardPolicy) -> Iterator[Fault]:
    """The places without an application label, or with an empty one."""
    app = policy.workloads.app
    for place in workload.places:
        found = place.find(app.keys)
        if found is None or not found.value:
            key = found.key if found else app.label
            yield Fault(
                path=place.at(key),
                message=f"the label {key!r} is {'empty' if found else 'missing'}; it names the application",
                remedy=Remedy(place=place.path, label=key, value=workload.label_from_name),
            )


RULE = Rule(id="require-app", since="0.1", check=unnamed)
