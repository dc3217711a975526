"""A binding gives a Pod its node, and no label that counts."""

from webhook.guard.judge import limit_per_rule
from webhook.guard.message import refusal
from webhook.model.abbreviation import shortened
from webhook.model.decision import Decision, Verdict
from webhook.model.labels import RESERVED_PREFIXES
from webhook.model.modes import SEVERITY, Mode
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.rule import MAX_PATH_LENGTH, Violation
from webhook.model.workload import Relabelling, Workload, label_field, reference
from webhook.rules import RULES

PROTECTION = "bound-labels"  # in the place of a rule's id; the file gives it no mode of its own


def judge_binding(request: Request, policy: GuardPolicy) -> Decision:
    """The decision on a binding: it may not write what a Pod was judged by, nor what Calico keeps for itself."""
    assert request.bound_labels is not None
    workloads = policy.workloads
    counted = {*workloads.app.keys, *workloads.role.keys, *(required.label for required in workloads.require)}
    found = sorted(key for key in request.bound_labels if key in counted or key.startswith(tuple(RESERVED_PREFIXES)))
    return binding_decision(request, policy, limit_per_rule(label_violation(key) for key in found))


def binding_decision(request: Request, policy: GuardPolicy, faults: tuple[Violation, ...]) -> Decision:
    """The decision on a binding that has these faults."""
    mode = strictest_pod_mode(policy)
    if not faults or mode is not Mode.ENFORCE:
        told = {mode: faults}
        return Decision(Verdict.ALLOWED, warned=told.get(Mode.WARN, ()), audited=told.get(Mode.AUDIT, ()))
    name = reference("Binding", request.target.namespace, request.target.name)
    return Decision(Verdict.DENIED, denied=faults, message=refusal(name, faults))


def label_violation(key: str) -> Violation:
    """What is wrong with one label of a binding."""
    message = f"a binding does not set {shortened(key)!r} of its Pod; set it on the Pod itself, where it is judged"
    return Violation(PROTECTION, shortened(f"metadata.labels{label_field(key)}", MAX_PATH_LENGTH), message)


def strictest_pod_mode(policy: GuardPolicy) -> Mode:
    """The strictest mode that a rule about Pods has in any namespace.

    A label would get around any of them, and no scheduler sets such a one, so nothing is asked about the namespace.
    """
    overrides = (None, *policy.namespaces.overrides)
    rules = (rule for rule in RULES.values() if rule.about in {Workload, Relabelling})
    return max((rule.mode(policy, one) for rule in rules for one in overrides), key=SEVERITY.index)
