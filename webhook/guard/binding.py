"""Bindings assign a Pod to a node. They may not set a label that rules or Calico use."""

from webhook.guard.judge import limit_per_rule
from webhook.guard.message import refusal
from webhook.model.abbreviation import shortened
from webhook.model.decision import Decision
from webhook.model.labels import RESERVED_PREFIXES
from webhook.model.modes import SEVERITY, Mode
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request
from webhook.model.rule import MAX_PATH_LENGTH, Violation
from webhook.model.workload import Relabelling, Workload, label_field, reference
from webhook.rules import RULES

PROTECTION = "bound-labels"  # reported instead of a rule id; the policy file cannot set its mode


def judge_binding(request: Request, policy: GuardPolicy) -> Decision:
    """Return the decision on a binding: it may not set labels that rules check, or that Calico reserves."""
    assert request.bound_labels is not None
    workloads = policy.workloads
    counted = {*workloads.app.keys, *workloads.role.keys, *(required.label for required in workloads.require)}
    found = sorted(key for key in request.bound_labels if key in counted or key.startswith(tuple(RESERVED_PREFIXES)))
    return binding_decision(request, policy, limit_per_rule(label_violation(key) for key in found))


def binding_decision(request: Request, policy: GuardPolicy, faults: tuple[Violation, ...]) -> Decision:
    """Return the decision on a binding with these violations, in the strictest mode of the rules about Pods."""
    mode = strictest_pod_mode(policy)
    if mode is Mode.ENFORCE and faults:
        name = reference("Binding", request.target.namespace, request.target.name)
        return Decision(Reason(ReasonCode.BINDING_LABELS_REFUSED), denied=faults, message=refusal(name, faults))
    by_mode = {mode: faults}
    return admission(by_mode.get(Mode.WARN, ()), by_mode.get(Mode.AUDIT, ()))


def admission(warned: tuple[Violation, ...] = (), audited: tuple[Violation, ...] = ()) -> Decision:
    """Return the admission of a request without an enforced violation and without an exception."""
    code = ReasonCode.VIOLATION_NOT_ENFORCED if warned or audited else ReasonCode.NO_VIOLATION
    return Decision(Reason(code), warned=warned, audited=audited)


def label_violation(key: str) -> Violation:
    """Return the violation for one label of a binding."""
    message = f"a binding cannot set the label {shortened(key)!r} of its Pod; set the label on the Pod"
    return Violation(PROTECTION, shortened(f"metadata.labels{label_field(key)}", MAX_PATH_LENGTH), message)


def strictest_pod_mode(policy: GuardPolicy) -> Mode:
    """Return the strictest mode that a rule about Pods has in any namespace.

    A label could bypass each of these rules, and no scheduler sets such a label. So the mode does not depend on the namespace.
    """
    overrides = (None, *policy.namespaces.overrides)
    rules = (rule for rule in RULES.values() if rule.about in {Workload, Relabelling})
    return max((rule.mode(policy, one) for rule in rules for one in overrides), key=SEVERITY.index)
