"""Every Pod has an application label.

The keys `workloads.app.label` and `workloads.app.aliases` configure the label and its aliases. If the label is absent, an alias
is enough.
"""

from collections.abc import Iterator

from webhook.model.cel import ANY_VALUE, everywhere, lack
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Remedy, Rule, RuleFinding
from webhook.model.workload import Workload


def unnamed(workload: Workload, policy: GuardPolicy) -> Iterator[RuleFinding]:
    """Yield the places without an application label, or with an empty one."""
    app = policy.workloads.app
    for place in workload.labelled(policy.workloads.scope):
        if lack := app.lack(place.labels):
            value = place.not_text.get(app.label) or app.intended(place.labels) or workload.label_from_name
            yield RuleFinding(
                path=place.at(app.label),
                message=f"the label {app.label!r} is {place.described(app.label, lack)}; set it to the name of the "
                "application",
                remedy=Remedy(place=place.path, label=app.label, value=value),
            )


def in_cel(policy: GuardPolicy) -> Iterator[str]:
    """Yield the CEL expressions of this rule for the API server."""
    app = policy.workloads.app
    here, before = (lack(app.keys, ANY_VALUE, x) for x in ("p", "q"))
    yield everywhere(f"{here} == ''", f"{here} == {before}")


RULE = Rule(id="require-app", since="0.1", check=unnamed, in_cel=in_cel)
