"""A binding gives a Pod its node, and no label that counts."""

from webhook.guard.message import refusal
from webhook.model.decision import Decision, Verdict
from webhook.model.labels import RESERVED
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.violation import Violation
from webhook.model.workload import label_field, reference

PROTECTION = "bound-labels"  # in the place of a rule's id; it has no mode, for no scheduler sets such a label


def judge_binding(request: Request, policy: GuardPolicy) -> Decision:
    """The decision on a binding: it may not write what a Pod was judged by, nor what Calico keeps for itself."""
    assert request.bound_labels is not None
    workloads = policy.workloads
    counted = {*workloads.app.keys, *workloads.role.keys, *(required.label for required in workloads.require)}
    faults = tuple(
        Violation(
            rule=PROTECTION,
            path=f"metadata.labels{label_field(key)}",
            message=f"a binding does not set {key!r} of its Pod; set it on the Pod itself, where it is judged",
        )
        for key in sorted(request.bound_labels)
        if key in counted or key.startswith(tuple(RESERVED))
    )
    if not faults:
        return Decision(Verdict.ALLOWED)
    name = reference("Binding", request.target.namespace, request.target.name)
    return Decision(Verdict.DENIED, denied=faults, message=refusal(name, faults))
