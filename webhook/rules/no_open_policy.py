"""Nobody's network policy opens what catflap closes."""

from collections.abc import Iterator

from webhook.model.coverage import asks_for_names, covers
from webhook.model.kinds import NETWORK_SET
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.request import PolicyObject
from webhook.model.traffic import Opening
from webhook.model.violation import Fault, Rule
from webhook.model.workload import label_field


def opened(found: PolicyObject, policy: GuardPolicy) -> Iterator[Fault]:
    """What a policy opens to nobody in particular; and, where the file has flows, all that is beyond them.

    Network policies add up, so one that lets through undoes the one that closes (Kubernetes' NetworkPolicy, "isolation").
    """
    role = policy.workloads.role.label
    if found.kind == NETWORK_SET and role in found.labels:
        # Calico's selectors mean network sets as well as Pods (libcalico-go, lib/backend/syncersv1/updateprocessors).
        yield Fault(f"metadata.labels{label_field(role)}", "it makes addresses count as Pods of that role")
    if found.unreadable:
        yield Fault("spec", f"nobody can tell what it opens, it is not made as its API says: {found.unreadable}")
    for opening in found.openings:
        if reason := beyond(opening, found, policy):
            yield Fault(opening.path, f"it opens the way {opening}: {reason}")


def beyond(opening: Opening, found: PolicyObject, policy: GuardPolicy) -> str:
    """What is wrong with an opening, in words; empty where nothing is."""
    if any(covers(flow, opening, found.namespace, policy) for flow in policy.network.flows):
        return ""
    if opening.is_wide:
        return "that means nobody in particular; say whom it is for"
    if policy.network.flows and found.namespace and not asks_for_names(opening):
        return "no flow of the policy file does; one has to be written there first"
    return ""


RULE = Rule(id="no-open-policy", since="0.1", check=opened, about=PolicyObject, at_most=Mode.WARN, guarded_only=True)
