"""A binding gives a Pod its node, and no label that counts."""

from webhook.guard.judge import first_of_each
from webhook.guard.message import refusal
from webhook.model.abbreviation import shortened
from webhook.model.decision import Decision
from webhook.model.labels import RESERVED
from webhook.model.modes import SEVERITY, Mode
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request
from webhook.model.violation import LONGEST_PATH, Violation
from webhook.model.workload import Relabelling, Workload, label_field, reference
from webhook.rules import RULES

PROTECTION = "bound-labels"  # in the place of a rule's id; the file gives it no mode of its own


def judge_binding(request: Request, policy: GuardPolicy) -> Decision:
    """The decision on a binding: it may not write what a Pod was judged by, nor what Calico keeps for itself."""
    assert request.bound_labels is not None
    workloads = policy.workloads
    counted = {*workloads.app.keys, *workloads.role.keys, *(required.label for required in workloads.require)}
    found = sorted(key for key in request.bound_labels if key in counted or key.startswith(tuple(RESERVED)))
    return bound(request, policy, first_of_each(fault(key) for key in found))


def bound(request: Request, policy: GuardPolicy, faults: tuple[Violation, ...]) -> Decision:
    """The decision on a binding that has these faults."""
    mode = strictest(policy)
    if mode is Mode.ENFORCE and faults:
        name = reference("Binding", request.target.namespace, request.target.name)
        return Decision(Reason(ReasonCode.BINDING_LABELS_REFUSED), denied=faults, message=refusal(name, faults))
    found = {mode: faults}
    return admitted(found.get(Mode.WARN, ()), found.get(Mode.AUDIT, ()))


def admitted(warned: tuple[Violation, ...] = (), audited: tuple[Violation, ...] = ()) -> Decision:
    """The admission of a request without an enforced violation, and without an exception that covers one."""
    code = ReasonCode.VIOLATION_NOT_ENFORCED if warned or audited else ReasonCode.NO_VIOLATION
    return Decision(Reason(code), warned=warned, audited=audited)


def fault(key: str) -> Violation:
    """What is wrong with one label of a binding."""
    message = f"a binding does not set {shortened(key)!r} of its Pod; set it on the Pod itself, where it is judged"
    return Violation(PROTECTION, shortened(f"metadata.labels{label_field(key)}", LONGEST_PATH), message)


def strictest(policy: GuardPolicy) -> Mode:
    """The strictest mode that a rule about Pods has in any namespace.

    A label would get around any of them, and no scheduler sets such a one, so nothing is asked about the namespace.
    """
    overrides = (None, *policy.namespaces.overrides)
    rules = (rule for rule in RULES.values() if rule.about in {Workload, Relabelling})
    return max((rule.mode(policy, one) for rule in rules for one in overrides), key=SEVERITY.index)
