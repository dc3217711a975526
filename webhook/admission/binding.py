"""Bindings assign a Pod to a node. They may not set a label that rules or Calico use."""

from webhook.admission.judge import limit_per_rule
from webhook.model.abbreviation import shortened
from webhook.model.decision import Decision, admitted
from webhook.model.labels import RESERVED_PREFIXES
from webhook.model.modes import SEVERITY, Mode
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request
from webhook.model.rule import MAX_PATH_LENGTH, Violation
from webhook.model.workload import Relabelling, Workload, label_field
from webhook.rules import RULES

PROTECTION = "bound-labels"  # reported instead of a rule id; the policy file cannot set its mode


def judge_binding(request: Request, policy: GuardPolicy) -> Decision:
    """Return the decision on a binding: it may not set labels that rules check, or that Calico reserves.

    The strictest mode of the rules about Pods applies.
    """
    faults = binding_violations(request, policy)
    mode = strictest_pod_mode(policy)
    if mode is Mode.ENFORCE and faults:
        return Decision(Reason(ReasonCode.BINDING_LABELS_REFUSED), denied=faults)
    by_mode = {mode: faults}
    return admitted(by_mode.get(Mode.WARN, ()), by_mode.get(Mode.AUDIT, ()))


def binding_violations(request: Request, policy: GuardPolicy) -> tuple[Violation, ...]:
    """Return the violations of a binding; one if it is too large to be read."""
    if request.bound_labels is None:
        return (Violation(PROTECTION, "metadata.labels", request.unread),)
    workloads = policy.workloads
    counted = {*workloads.app.keys, *workloads.role.keys, *(required.label for required in workloads.require)}
    found = sorted(key for key in request.bound_labels if key in counted or key.startswith(tuple(RESERVED_PREFIXES)))
    return limit_per_rule(label_violation(key) for key in found)


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
