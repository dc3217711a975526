"""The validating phase: it computes the decision on one request."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from webhook.custom.cost import LIGHT_COST
from webhook.custom.rule_check import CustomRuleCheck
from webhook.guard.binding import admission, judge_binding
from webhook.guard.exemption import exempt_namespace_reason, exemption_reason
from webhook.guard.inherited_violations import inherited_violations
from webhook.guard.isolation import isolates
from webhook.guard.judge import judge_request, managed_only, mode_of
from webhook.guard.namespace_labels import judge_namespace
from webhook.guard.oversized_objects import judge_oversized
from webhook.guard.policy_file import judge_policy_file
from webhook.guard.policy_protection import protect_own_policies
from webhook.model.abbreviation import LONGEST_SENTENCE, shortened
from webhook.model.decision import Decision
from webhook.model.exemptions import PolicyException
from webhook.model.identity import Identities, chart_accounts
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.rule import Violation
from webhook.model.steps import (
    HeavyWork,
    IsolationLookup,
    ManagedLookup,
    NamespaceData,
    NamespaceLookup,
    OwnerLookup,
    Resumable,
)
from webhook.model.unsupported_kinds import unsupported_policy_notice
from webhook.model.workload import Owner

# No rule runs, but the namespace must be isolated. Until it is, a refusal makes the kubelet retry, and is recorded.
MIRROR_POD = Decision(Reason(ReasonCode.MIRROR_POD, "mirror Pod: the kubelet runs it even if catflap rejects it"))
RESTARTED = Reason(ReasonCode.OLDER_WORKLOAD, "restart of a workload that is older than catflap")
MADE_FOR_OLDER = Reason(ReasonCode.OLDER_OWNER, "a controller created it for an owner that is older than catflap")
PODS_STILL_CHECKED = (
    "you are exempt, but Pods that a controller creates from this object are checked, unless it is older than catflap"
)
CHECKED_AS_PODS = Reason(
    ReasonCode.POD_LABELS_UNKNOWN,
    "this object alone does not determine the labels of its Pods, so catflap checks the Pods",
)
# Later than any exception lasts, so no exception counts if the caller gives no time.
NO_CLOCK = datetime.max.replace(tzinfo=UTC)


def decide(
    request: Request,
    policy: GuardPolicy,
    *,
    own_namespace: str = "",
    own_accounts: Identities | None = None,
    at: datetime = NO_CLOCK,
) -> Resumable[Decision]:
    """Decide on a request in the validating phase; pause at each lookup that the decision needs.

    `own_namespace` is the namespace of catflap. `own_accounts` are the users that catflap acts as; by default those of the chart.
    `at` is the current time, which decides whether an exception has expired.

    A refusal by rules has no message yet. `webhook.guard.decision_message.with_message` adds it where it is shown, because a fix costs more than the decision.
    """
    ours = chart_accounts(own_namespace) if own_accounts is None else own_accounts
    if request.unread:
        exempt = exemption_reason(request.user, policy)
        decision = judge_oversized(request, policy, own_namespace=own_namespace, own_accounts=ours, exempted=exempt)
    else:
        decision = yield from decide_without_rules(request, policy, own_namespace, ours)
        if decision is not None and decision is not MIRROR_POD:
            return decision
    if decision is None:
        decision = yield from decide_by_rules(request, policy, at)
    if decision.allowed and creates_pod(request):
        status = yield from IsolationLookup(request.target.namespace, dry_run=request.dry_run).result()
        return replace(decision, isolation=status)
    return decision


def decide_without_rules(
    request: Request, policy: GuardPolicy, own_namespace: str, own_accounts: Identities
) -> Resumable[Decision | None]:
    """Return the decision on a request that no rule checks; None if rules have to check it."""
    if request.namespace is not None:  # exempt ones too: their labels would make them part of an environment
        return judge_namespace(request, policy, own_namespace=own_namespace, own_accounts=own_accounts)
    if request.policy_file_deleted or request.policy_file is not None:
        return (yield from judge_policy_file(request, policy, own_namespace=own_namespace))
    if (decided := decide_unchecked(request, policy, own_namespace)) is not None:
        return decided
    if request.bound_labels is not None:
        passed = exemption_reason(request.user, policy)
        return Decision(passed) if passed else judge_binding(request, policy)
    return protect_own_policies(request, policy, own_accounts=own_accounts) if request.policy is not None else None


def decide_by_rules(request: Request, policy: GuardPolicy, at: datetime) -> Resumable[Decision]:
    """Return the decision of the rules on a workload or on a user's network policy."""
    builtin = judge_request(request, policy)
    if not policy.custom:
        return (yield from decide_violations(FoundViolations(builtin), request, policy, at))
    check, namespace = CustomRuleCheck(request, policy), None
    if request.target.namespace and check.reads_namespace:
        namespace = yield from NamespaceLookup(request.target.namespace).result()
    if check.cost > LIGHT_COST:
        yield from HeavyWork().result()
    custom = check.run(namespace)
    found = FoundViolations((*builtin, *custom.violations), check, namespace)
    decision = yield from decide_violations(found, request, policy, at)
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
    found: FoundViolations, request: Request, policy: GuardPolicy, at: datetime
) -> Resumable[Decision]:
    """Return the decision on violations: the user may be exempt, else the modes of the rules in the namespace decide."""
    if not found.violations:
        return admission()
    if passed := exemption_reason(request.user, policy):
        notices = () if request.target.is_pod else (PODS_STILL_CHECKED,)
        return Decision(passed, audited=found.violations, notices=notices if request.workload else ())
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
    admitted = admission(by_mode[Mode.WARN], audited)
    return with_exceptions(admitted, waived.values(), at) if waived else admitted


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


def with_exceptions(admitted: Decision, used: Iterable[PolicyException], at: datetime) -> Decision:
    """Return an admission with the exceptions as its reason, and with a notice for each exception that ends soon."""
    exceptions = tuple(used)
    why = Reason(ReasonCode.EXCEPTION_APPLIED, "; ".join(map(str, exceptions)))
    notices = tuple(f"admitted because of an {one}" for one in exceptions if one.ends_soon(at))
    return replace(admitted, why=why, notices=notices)


def exceptions_by_rule(
    found: Iterable[Violation], namespace: str, policy: GuardPolicy, at: datetime
) -> Mapping[str, PolicyException]:
    """Return the exceptions that apply to the violations, by rule id."""
    each = {one.rule: policy.exception_for(one.rule, namespace, at) for one in found}
    return {rule: exception for rule, exception in each.items() if exception is not None}


def creates_pod(request: Request) -> bool:
    """Return whether a Pod would be stored, for which its namespace must be isolated."""
    return request.operation is Operation.CREATE and request.target.is_pod


def decide_unchecked(request: Request, policy: GuardPolicy, own_namespace: str) -> Decision | None:
    """Return the decision on a request in an exempt namespace, or about which no rule is; None for other requests."""
    namespace = request.target.namespace
    if exempt := exempt_namespace_reason(namespace, policy, own_namespace):
        return Decision(exempt)
    if request.subject is None and request.namespace is None and request.bound_labels is None:
        notice = unsupported_policy_notice(request.target.group, request.target.kind)
        return Decision(
            not_applicable_reason(request),
            notices=(notice,) if notice and writes_object(request) else (),
        )
    if request.workload is not None and not request.workload.labelled(policy.workloads.scope):
        named = request.workload.reference_path
        return Decision(template_reason(named) if named else CHECKED_AS_PODS)
    if request.workload is not None and request.workload.mirror and request.user.is_node:
        return MIRROR_POD
    return None


def writes_object(request: Request) -> bool:
    """Return whether the request creates or changes an object, and not a subresource."""
    return request.operation in {Operation.CREATE, Operation.UPDATE} and not request.target.subresource


def template_reason(path: str) -> Reason:
    """Return why a workload is not checked whose pod template is in another object, which it names at `path`."""
    return Reason(ReasonCode.TEMPLATE_REFERENCED, f"{path}: catflap checks the object that it names")


def not_applicable_reason(request: Request) -> Reason:
    """Return why no rule applies to a request."""
    target = request.target
    if request.operation in {Operation.DELETE, Operation.CONNECT}:
        return Reason(ReasonCode.OPERATION_NOT_JUDGED, f"{request.operation} creates no Pod")
    name = f"{target.resource}.{target.group}" if target.group else target.resource
    name += f"/{target.subresource}" if target.subresource else ""
    return Reason(ReasonCode.NO_RULE_APPLIES, f"no rule checks {name}")


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


def unavailable(code: ReasonCode, words: str) -> Decision:
    """Return the refusal of a request for which a lookup failed; the user may try again."""
    words = shortened(words, LONGEST_SENTENCE)
    return Decision(Reason(code, words), message=f"no decision: {words}; try again in a moment")
