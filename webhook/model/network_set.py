"""The check of network sets: labels that make addresses count as Pods, and sets of nearly all addresses."""

from collections.abc import Iterator, Mapping

from webhook.model.addresses import Addresses, too_large
from webhook.model.labels import RESERVED_PREFIXES
from webhook.model.names import CALICO_NAMESPACE
from webhook.model.opening_check import OpeningCheck
from webhook.model.opening_faults import digest
from webhook.model.rule import RuleFinding
from webhook.model.workload import label_field


def set_faults(labels: Mapping[str, str], networks: Addresses, check: OpeningCheck) -> Iterator[RuleFinding]:
    """Yield the findings about a network set.

    Calico's selectors select network sets as well as Pods, and look for the labels of a namespace or an account among the
    set's own first (libcalico-go, lib/backend/syncersv1/updateprocessors).
    """
    counts = {check.role: "the label makes the addresses count as Pods of that role; remove the label"}
    for wanted in check.server_labels:
        if all(labels.get(key) in values for key, values in wanted.items()):
            counts |= dict.fromkeys(wanted, "the label makes the addresses count as name servers; remove the label")
    for key in labels:
        if key == CALICO_NAMESPACE or key.startswith(tuple(RESERVED_PREFIXES)):
            counts[key] = (
                "the label makes the addresses count as Pods of another namespace or ServiceAccount; remove the label"
            )
    for key, says in counts.items():
        if key in labels:
            yield RuleFinding(f"metadata.labels{label_field(key)}", says, parts=(digest((key, labels[key], networks)),))
    if reason := too_large(networks, check.cluster):
        yield RuleFinding(
            "spec.nets",
            f"the set includes {reason}, so every policy that selects the set allows too many connections; list "
            "particular networks",
            parts=(digest(networks),),
        )
