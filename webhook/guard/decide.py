"""The validating phase: it computes the decision on one request."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from webhook.custom.evaluation import evaluate_rules, unchecked_rules
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
from webhook.model.decision import (
    Closure,
    ClosureWanted,
    Decision,
    GuardWanted,
    Known,
    LabelsWanted,
    NamespaceSeen,
    OwnerWanted,
    Question,
)
from webhook.model.exemptions import PolicyException
from webhook.model.identity import Identities, chart_accounts
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.rule import Violation
from webhook.model.unsupported_kinds import unsupported_policy_notice
from webhook.model.workload import Owner

NO_RESULTS = Known()
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
# Lookup results if there is no cluster.
OFFLINE_DEFAULTS = Known(
    old_owners=(),
    closure=Closure.UNCHECKED,
    guarded=True,
    namespace_labels={},
    foreseen=(),
    namespace=NamespaceSeen(None),
)
# Later than any exception lasts, so no exception counts if the caller gives no time.
NO_CLOCK = datetime.max.replace(tzinfo=UTC)


def decide(
    request: Request,
    policy: GuardPolicy,
    *,
    own_namespace: str = "",
    own_accounts: Identities | None = None,
    known: Known = NO_RESULTS,
    at: datetime = NO_CLOCK,
) -> Decision | Question:
    """Return the decision of the validating phase, or the lookup that the decision needs first.

    `own_namespace` is the namespace of catflap. `own_accounts` are the users that catflap acts as; by default those of the chart.
    `known` has the results of earlier lookups.
    `at` is the current time, which decides whether an exception has expired.

    A refusal by rules has no message yet. `webhook.guard.decision_message.with_message` adds it where it is shown, because a fix costs more than the decision.
    """
    ours = chart_accounts(own_namespace) if own_accounts is None else own_accounts
    if request.unread:
        return decide_unread(request, policy, own_namespace=own_namespace, own_accounts=ours, known=known, at=at)
    if (decided := decide_control_object(request, policy, own_namespace, ours, known)) is not None:
        return decided
    decided = decide_without_rules(request, policy, own_namespace)
    if decided is None and request.bound_labels is not None:
        passed = exemption_reason(request.user, policy)
        return Decision(passed) if passed else judge_binding(request, policy)
    if decided is None and request.policy is not None:
        decided = protect_own_policies(request, policy, own_accounts=ours)
    if decided is not None:
        return (
            with_isolation_status(request, decided, known)
            if decided is MIRROR_POD and creates_pod(request)
            else decided
        )
    decision = decide_by_rules(request, policy, known, at)
    if policy.custom and isinstance(decision, Decision) and (left_out := unchecked_rules(request, policy, known)):
        decision = replace(decision, unchecked=left_out)
    if isinstance(decision, Decision) and decision.allowed and creates_pod(request):
        return with_isolation_status(request, decision, known)
    return decision


def decide_control_object(
    request: Request, policy: GuardPolicy, own_namespace: str, own_accounts: Identities, known: Known
) -> Decision | Question | None:
    """Return the decision on a namespace or the policy file, on which catflap itself depends; None for other objects."""
    if request.namespace is not None:  # exempt ones too: their labels would make them part of an environment
        return judge_namespace(request, policy, own_namespace=own_namespace, own_accounts=own_accounts)
    if request.policy_file_deleted or request.policy_file is not None:
        return judge_policy_file(request, policy, own_namespace=own_namespace, known=known)
    return None


def decide_unread(
    request: Request, policy: GuardPolicy, *, own_namespace: str, own_accounts: Identities, known: Known, at: datetime
) -> Decision | Question:
    """Return the decision, as `decide` does, on a request whose objects are too large to be read."""
    exempt = exemption_reason(request.user, policy)
    decision: Decision | Question | None = judge_oversized(
        request, policy, own_namespace=own_namespace, own_accounts=own_accounts, exempted=exempt
    )
    if decision is None:
        decision = decide_by_rules(request, policy, known, at)
    if isinstance(decision, Decision) and decision.allowed and creates_pod(request):
        return with_isolation_status(request, decision, known)
    return decision


def decide_by_rules(request: Request, policy: GuardPolicy, known: Known, at: datetime) -> Decision | Question:
    """Return the decision of the rules on a workload or on a user's network policy, or the lookup that it needs first."""
    found = new_violations(request, policy, known)
    if not isinstance(found, tuple):
        return found
    if not found:
        return admission()
    if passed := exemption_reason(request.user, policy):
        notices = () if request.target.is_pod else (PODS_STILL_CHECKED,)
        return Decision(passed, audited=found, notices=notices if request.workload else ())
    return namespace_lookup(request, policy, found, known) or apply_modes(request, policy, found, known, at)


def namespace_lookup(
    request: Request, policy: GuardPolicy, found: tuple[Violation, ...], known: Known
) -> GuardWanted | LabelsWanted | None:
    """Return the lookup of the namespace that the modes of the violations depend on; None if no lookup is needed."""
    namespace = request.target.namespace
    if namespace and known.guarded is None and isolates(policy) and any(map(managed_only, found)):
        return GuardWanted(namespace)
    if namespace and known.namespace_labels is None and policy.namespaces.overridden_by_label:
        return LabelsWanted(namespace)
    return None


def apply_modes(
    request: Request, policy: GuardPolicy, found: tuple[Violation, ...], known: Known, at: datetime
) -> Decision | OwnerWanted:
    """Return the decision by the modes of the violated rules in the namespace, or the lookup of the owner."""
    namespace = request.target.namespace
    override = policy.namespaces.override(namespace, known.namespace_labels or {}) if namespace else None
    is_isolated = isolates(policy) and (not namespace or known.guarded)
    counted = [one for one in found if is_isolated or not managed_only(one)]
    waived = exceptions_by_rule(counted, namespace, policy, at)
    by_mode: dict[Mode, tuple[Violation, ...]] = {
        mode: tuple(one for one in counted if one.rule not in waived and mode_of(one, policy, override) is mode)
        for mode in (Mode.ENFORCE, Mode.WARN, Mode.AUDIT)
    }
    audited = (*by_mode[Mode.AUDIT], *(one for one in counted if one.rule in waived))
    if not by_mode[Mode.ENFORCE]:
        admitted = admission(by_mode[Mode.WARN], audited)
        return with_exceptions(admitted, waived.values(), at) if waived else admitted
    denied = by_mode[Mode.ENFORCE]
    if (owner := owner_to_check(request, policy)) is not None:
        if known.old_owners is None:
            return OwnerWanted(namespace=namespace, owner=owner)
        excused = inherited_violations(denied, request, policy, known)
        denied = tuple(one for one in denied if one not in excused)
        if not denied:
            return Decision(RESTARTED if request.restarted else MADE_FOR_OLDER, audited=tuple(counted))
        audited = (*audited, *excused)
    why = Reason(ReasonCode.RULE_VIOLATED)
    return Decision(why, denied=denied, warned=by_mode[Mode.WARN], audited=audited)


def with_exceptions(admitted: Decision, used: Iterable[PolicyException], at: datetime) -> Decision:
    """Return an admission with the exceptions as its reason, and with a notice for each exception that ends soon."""
    exceptions = tuple(used)
    why = Reason(ReasonCode.EXCEPTION_APPLIED, "; ".join(map(str, exceptions)))
    notices = tuple(f"admitted because of an {one}" for one in exceptions if one.ends_soon(at))
    return replace(admitted, why=why, notices=notices)


def new_violations(request: Request, policy: GuardPolicy, known: Known) -> tuple[Violation, ...] | LabelsWanted:
    """Return the violations that a request adds under all rules, or the lookup that they need first."""
    found = known.once("rules", lambda: judge_request(request, policy))
    if not policy.custom:
        return found
    custom = evaluate_rules(request, policy, known)
    return (*found, *custom) if isinstance(custom, tuple) else custom


def exceptions_by_rule(
    found: Iterable[Violation], namespace: str, policy: GuardPolicy, at: datetime
) -> Mapping[str, PolicyException]:
    """Return the exceptions that apply to the violations, by rule id."""
    each = {one.rule: policy.exception_for(one.rule, namespace, at) for one in found}
    return {rule: exception for rule, exception in each.items() if exception is not None}


def creates_pod(request: Request) -> bool:
    """Return whether a Pod would be stored, for which its namespace must be isolated."""
    return request.operation is Operation.CREATE and request.target.is_pod


def with_isolation_status(request: Request, decision: Decision, known: Known) -> Decision | ClosureWanted:
    """Return the decision with the isolation status of the namespace, or the lookup of that status."""
    if known.closure is None:
        return ClosureWanted(namespace=request.target.namespace, dry_run=request.dry_run)
    return replace(decision, closure=known.closure)


def decide_without_rules(request: Request, policy: GuardPolicy, own_namespace: str) -> Decision | None:
    """Return the decision on a request that no rule checks; None if rules have to check it."""
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
    if policy.workloads.existing != "admit" or workload is None:
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
