"""Decisions by the rules: which violations a request adds, and what their modes, exemptions and exceptions make of them."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from webhook.admission.caller import Caller
from webhook.admission.inherited_violations import inherited_violations
from webhook.admission.isolation import isolates
from webhook.admission.judge import judge_request
from webhook.cel.cost import LIGHT_COST
from webhook.cel.rule_check import CustomRuleCheck
from webhook.model.decision import Decision, admitted
from webhook.model.exemptions import PolicyException
from webhook.model.modes import SEVERITY, Mode, Override
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.rule import Violation
from webhook.model.steps import HeavyWork, ManagedLookup, NamespaceData, NamespaceLookup, OwnerLookup, Resumable
from webhook.model.workload import Owner
from webhook.rules import RULES

RESTARTED = Reason(ReasonCode.OLDER_WORKLOAD, "restart of a workload that is older than catflap")
MADE_FOR_OLDER = Reason(ReasonCode.OLDER_OWNER, "a controller created it for an owner that is older than catflap")
PODS_STILL_CHECKED = (
    "you are exempt, but Pods that a controller creates from this object are checked, unless it is older than catflap"
)


def decide_by_rules(request: Request, caller: Caller, policy: GuardPolicy, at: datetime) -> Resumable[Decision]:
    """Return the decision of the rules on a workload or on a user's network policy."""
    builtin = judge_request(request, policy)
    if not policy.custom:
        return (yield from decide_violations(FoundViolations(builtin), request, caller, policy, at))
    check, namespace = CustomRuleCheck(request, policy), None
    if request.target.namespace and check.reads_namespace:
        namespace = yield from NamespaceLookup(request.target.namespace).result()
    if check.cost > LIGHT_COST:
        yield from HeavyWork().result()
    custom = check.run(namespace)
    found = FoundViolations((*builtin, *custom.violations), check, namespace)
    decision = yield from decide_violations(found, request, caller, policy, at)
    return replace(decision, unchecked=custom.unchecked) if custom.unchecked else decision


class FoundViolations(Struct, frozen=True):
    """The violations that a request adds under all rules, with the check of the custom rules and the namespace if that was looked up."""

    violations: tuple[Violation, ...]
    custom: CustomRuleCheck | None = None
    namespace: NamespaceData | None = None

    def violated_by(self, request: Request) -> frozenset[str]:
        """Return the ids of the custom rules that another object in the namespace violates."""
        return self.custom.violated_by(request, self.namespace) if self.custom else frozenset()


def decide_violations(
    found: FoundViolations, request: Request, caller: Caller, policy: GuardPolicy, at: datetime
) -> Resumable[Decision]:
    """Return the decision on violations: the user may be exempt, else the modes of the rules in the namespace decide."""
    if not found.violations:
        return admitted()
    if caller.exempt:
        notices = () if request.target.is_pod else (PODS_STILL_CHECKED,)
        return Decision(caller.exempt, audited=found.violations, notices=notices if request.workload else ())
    name, is_isolated, data = request.target.namespace, isolates(policy), found.namespace
    if name and is_isolated and any(map(managed_only, found.violations)):
        is_isolated = yield from ManagedLookup(name).result()
    if name and data is None and policy.namespaces.overridden_by_label:
        data = yield from NamespaceLookup(name).result()
    override = policy.namespaces.override(name, data.labels if data else {}) if name else None
    counted = [one for one in found.violations if is_isolated or not managed_only(one)]
    waived = exceptions_by_rule(counted, name, policy, at)
    by_mode: dict[Mode, tuple[Violation, ...]] = {
        mode: tuple(one for one in counted if one.rule not in waived and mode_of(one, policy, override) is mode)
        for mode in (Mode.ENFORCE, Mode.WARN, Mode.AUDIT)
    }
    audited = (*by_mode[Mode.AUDIT], *(one for one in counted if one.rule in waived))
    if by_mode[Mode.ENFORCE]:
        why = Reason(ReasonCode.RULE_VIOLATED)
        denial = Decision(why, denied=by_mode[Mode.ENFORCE], warned=by_mode[Mode.WARN], audited=audited)
        return (yield from excuse_inherited(denial, found, request, policy))
    admission = admitted(by_mode[Mode.WARN], audited)
    return with_exceptions(admission, waived.values(), at) if waived else admission


def excuse_inherited(
    denial: Decision, found: FoundViolations, request: Request, policy: GuardPolicy
) -> Resumable[Decision]:
    """Return the decision without the violations that the object inherits from an owner older than catflap."""
    owner = owner_to_check(request, policy)
    if owner is None:
        return denial
    owners = yield from OwnerLookup(request.target.namespace, owner).result()
    excused = inherited_violations(denial.denied, owners, request, policy, found.violated_by)
    audited = (*denial.audited, *excused)
    if denied := tuple(one for one in denial.denied if one not in excused):
        return replace(denial, denied=denied, audited=audited)
    why = RESTARTED if request.restarted else MADE_FOR_OLDER
    return Decision(why, audited=(*denial.warned, *audited))


def with_exceptions(admission: Decision, used: Iterable[PolicyException], at: datetime) -> Decision:
    """Return an admission with the exceptions as its reason, and with a notice for each exception that ends soon."""
    exceptions = tuple(used)
    why = Reason(ReasonCode.EXCEPTION_APPLIED, "; ".join(map(str, exceptions)))
    notices = tuple(f"admitted because of an {one}" for one in exceptions if one.ends_soon(at))
    return replace(admission, why=why, notices=notices)


def exceptions_by_rule(
    found: Iterable[Violation], namespace: str, policy: GuardPolicy, at: datetime
) -> Mapping[str, PolicyException]:
    """Return the exceptions that apply to the violations, by rule id."""
    each = {one.rule: policy.exception_for(one.rule, namespace, at) for one in found}
    return {rule: exception for rule, exception in each.items() if exception is not None}


def owner_to_check(request: Request, policy: GuardPolicy) -> Owner | None:
    """Return the object whose age may excuse violations; None if there is none.

    It is the owner of an object that a controller creates, and the object itself on a restart. The user name identifies the
    controller; ownerReferences do not, because any user can write them.
    """
    workload = request.workload
    if policy.workloads.existing_workloads != "admit" or workload is None:
        return None
    if request.restarted:
        target = request.target
        return Owner(f"{target.group}/{target.version}".lstrip("/"), workload.kind, workload.name, workload.uid)
    by_controller = request.operation is Operation.CREATE and request.user.is_controller
    return workload.owner if by_controller else None


def mode_of(violation: Violation, policy: GuardPolicy, override: Override | None) -> Mode:
    """Return the mode of the rule of a violation, built-in or custom; `override` is the override for the namespace."""
    rule = RULES.get(violation.rule)
    mode = rule.mode(policy, override) if rule else policy.mode_of(violation.rule, override=override)
    return min(mode, violation.at_most, key=SEVERITY.index)


def managed_only(violation: Violation) -> bool:
    """Return whether a violation counts only in managed namespaces."""
    rule = RULES.get(violation.rule)
    return rule is not None and rule.managed_only
