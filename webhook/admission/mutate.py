"""The mutating phase: it writes the plain label on a Pod that has only an alias, and the guard label on a new namespace."""

from collections.abc import Mapping

from msgspec.structs import replace

from webhook.admission.decide import decide_unchecked, exempt_namespace_reason
from webhook.model.decision import Decision
from webhook.model.names import GUARD_LABEL, GUARDED
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Document, Operation, Request
from webhook.model.workload import LabelLocation


def mutate(request: Request, policy: GuardPolicy, *, own_namespace: str = "") -> Decision:
    """Return the decision of the mutating phase: labels to write, and never a refusal."""
    if request.operation is not Operation.CREATE:
        return Decision(Reason(ReasonCode.OPERATION_NOT_MUTATED, "labels are written at CREATE only"))
    if request.unread:
        exempt = exempt_namespace_reason(request.target.namespace, policy, own_namespace)
        return Decision(exempt or Reason(ReasonCode.OBJECT_NOT_READ, request.unread))
    passed = decide_unchecked(request, policy, own_namespace)
    if passed is not None:
        return passed
    labels = labels_to_add(request, policy)
    return Decision(Reason(ReasonCode.LABELS_ADDED if labels else ReasonCode.NO_LABELS_TO_ADD), labels=labels)


def labels_to_add(request: Request, policy: GuardPolicy) -> Mapping[str, str]:
    """Return the labels that the mutating phase writes on a new object."""
    if request.namespace is not None:
        return managed_label(request.namespace.labels)
    if request.workload is None or not request.target.is_pod or not policy.workloads.fill_from_aliases:
        return {}
    return labels_from_aliases(request.workload.places[0], policy)


def after_mutation(request: Request, policy: GuardPolicy) -> Request:
    """Return the request as the validating phase gets it, with the labels that the mutating phase writes on a Pod."""
    labels = mutate(request, policy).labels
    if request.workload is None or not labels:
        return request
    [place] = request.workload.places
    filled = replace(place, labels={**place.labels, **labels})
    workload = replace(request.workload, places=(filled,))
    return replace(request, workload=workload, document=with_labels(request.document, filled.labels))


def with_labels(document: Document | None, labels: Mapping[str, str]) -> Document | None:
    """Return the object with other labels, for rules that read the whole object; an undecoded object is returned unchanged."""
    if document is None or not isinstance(document.content, dict):
        return document
    metadata = {**(document.content.get("metadata") or {}), "labels": dict(labels)}
    return replace(document, content={**document.content, "metadata": metadata})


def managed_label(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return the guard label to add to a namespace; empty if the namespace has it."""
    return {} if labels.get(GUARD_LABEL) == GUARDED else {GUARD_LABEL: GUARDED}


def labels_from_aliases(place: LabelLocation, policy: GuardPolicy) -> Mapping[str, str]:
    """Return the plain labels to write on a Pod that has only aliases.

    Aliases with different values give no label, because it would contradict one of them. An alias whose value is not a role does not count.
    """
    filled = {}
    for label in (policy.workloads.app, policy.workloads.role):
        counted = {value for alias in label.aliases if label.counts(value := place.labels.get(alias, ""))}
        if label.label not in place.labels and len(counted) == 1:
            [filled[label.label]] = counted
    return filled
