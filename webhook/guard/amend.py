"""What the mutating phase writes: the plain label where a Pod has only an alias, and the stamp of a namespace."""

from collections.abc import Mapping

from msgspec.structs import replace

from webhook.guard.decide import passes_unjudged
from webhook.guard.exemption import spared_namespace
from webhook.model.decision import Decision
from webhook.model.names import GUARD_LABEL, GUARDED
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Document, Operation, Request
from webhook.model.workload import Place


def amend(request: Request, policy: GuardPolicy, *, own_namespace: str = "") -> Decision:
    """The decision of the mutating phase: never a refusal, at most labels to write."""
    if request.operation is not Operation.CREATE:
        return Decision(Reason(ReasonCode.OPERATION_NOT_MUTATED, "labels are written at CREATE only"))
    if request.unread:
        spared = spared_namespace(request.target.namespace, policy, own_namespace)
        return Decision(spared or Reason(ReasonCode.OBJECT_NOT_READ, request.unread))
    passed = passes_unjudged(request, policy, own_namespace)
    if passed is not None:
        return passed
    labels = added(request, policy)
    return Decision(Reason(ReasonCode.LABELS_ADDED if labels else ReasonCode.NO_LABELS_TO_ADD), labels=labels)


def added(request: Request, policy: GuardPolicy) -> Mapping[str, str]:
    """The labels that an object gets when it is created."""
    if request.namespace is not None:
        return stamp(request.namespace.labels)
    if request.workload is None or not request.target.is_pod or not policy.workloads.fill_from_aliases:
        return {}
    return fill(request.workload.places[0], policy)


def amended(request: Request, policy: GuardPolicy) -> Request:
    """The request as the validating phase sees it, once a Pod has the labels that the mutating phase writes."""
    labels = amend(request, policy).labels
    if request.workload is None or not labels:
        return request
    [place] = request.workload.places
    filled = replace(place, labels={**place.labels, **labels})
    workload = replace(request.workload, places=(filled,))
    return replace(request, workload=workload, document=labelled(request.document, filled.labels))


def labelled(document: Document | None, labels: Mapping[str, str]) -> Document | None:
    """An object of plain values with other labels, for rules that read it whole."""
    if document is None or not isinstance(document.content, dict):
        return document
    metadata = {**(document.content.get("metadata") or {}), "labels": dict(labels)}
    return replace(document, content={**document.content, "metadata": metadata})


def stamp(labels: Mapping[str, str]) -> Mapping[str, str]:
    """The label that shows a namespace is guarded, unless it stands."""
    return {} if labels.get(GUARD_LABEL) == GUARDED else {GUARD_LABEL: GUARDED}


def fill(place: Place, policy: GuardPolicy) -> Mapping[str, str]:
    """The plain labels that a Pod has under an alias only; none from aliases that disagree, as the label would then contradict one of them.

    An alias whose value is not a role does not count.
    """
    filled = {}
    for label in (policy.workloads.app, policy.workloads.role):
        counted = {value for alias in label.aliases if label.counts(value := place.labels.get(alias, ""))}
        if label.label not in place.labels and len(counted) == 1:
            [filled[label.label]] = counted
    return filled
