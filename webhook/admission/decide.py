"""The validating phase: it computes the decision on one request."""

from datetime import UTC, datetime

from msgspec.structs import replace

from webhook.admission.binding import judge_binding
from webhook.admission.caller import Caller
from webhook.admission.judge import checked_subjects
from webhook.admission.namespace_labels import judge_namespace
from webhook.admission.policy_file import judge_policy_file
from webhook.admission.policy_protection import protect_own_policies
from webhook.admission.rule_decision import decide_by_rules
from webhook.model.abbreviation import LONGEST_SENTENCE, shortened
from webhook.model.decision import Decision
from webhook.model.identity import Identities, chart_accounts
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.steps import IsolationLookup, Resumable
from webhook.model.unsupported_kinds import unsupported_policy_notice

# No rule runs, but the namespace must be isolated. Until it is, a refusal makes the kubelet retry, and is recorded.
MIRROR_POD = Decision(Reason(ReasonCode.MIRROR_POD, "mirror Pod: the kubelet runs it even if catflap rejects it"))
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

    A refusal by rules has no message yet. `webhook.admission.decision_message.with_message` adds it where it is shown, because a fix costs more than the decision.
    """
    accounts = chart_accounts(own_namespace) if own_accounts is None else own_accounts
    caller = Caller(request.user, policy, accounts)
    decision = yield from decide_without_rules(request, caller, policy, own_namespace)
    if decision is not None and decision is not MIRROR_POD:
        return decision
    if decision is None:
        decision = yield from decide_by_rules(request, caller, policy, at)
    if decision.allowed and creates_pod(request):
        status = yield from IsolationLookup(request.target.namespace, dry_run=request.dry_run).result()
        return replace(decision, isolation=status)
    return decision


def decide_without_rules(
    request: Request, caller: Caller, policy: GuardPolicy, own_namespace: str
) -> Resumable[Decision | None]:
    """Return the decision on a request that no rule checks; None if rules have to check it.

    Objects that are protected in every mode are refused if they are too large to be read. For other objects of that size, the modes of
    the rules that would check them decide.
    """
    if request.is_namespace:  # exempt ones too: their labels would make them part of an environment
        return judge_namespace(request, caller, policy, own_namespace=own_namespace)
    if request.is_policy_file:
        return (yield from judge_policy_file(request, caller, policy, own_namespace=own_namespace))
    if (decided := decide_unchecked(request, policy, own_namespace)) is not None:
        return decided
    if request.is_binding:
        return Decision(caller.exempt) if caller.exempt else judge_binding(request, policy)
    return protect_own_policies(request, caller, policy) if request.is_network_policy else None


def exempt_namespace_reason(name: str, policy: GuardPolicy, own_namespace: str) -> Reason | None:
    """Return why no rule applies in a namespace of this name; None if rules apply, or if the name is empty."""
    if name and policy.namespaces.exempts(name):
        return Reason(ReasonCode.NAMESPACE_EXEMPT, f"namespace {name} is exempt")
    if name and name == own_namespace:
        return Reason(ReasonCode.OWN_NAMESPACE, f"namespace {name} is the namespace of catflap")
    return None


def creates_pod(request: Request) -> bool:
    """Return whether a Pod would be stored, for which its namespace must be isolated."""
    return request.operation is Operation.CREATE and request.target.is_pod


def decide_unchecked(request: Request, policy: GuardPolicy, own_namespace: str) -> Decision | None:
    """Return the decision on a request in an exempt namespace, or about which no rule is; None for other requests."""
    namespace = request.target.namespace
    if exempt := exempt_namespace_reason(namespace, policy, own_namespace):
        return Decision(exempt)
    if request.unread:
        is_checked = request.is_binding or request.is_network_policy or checked_subjects(request, policy)
        why = Reason(ReasonCode.NO_RULE_APPLIES, f"no rule checks it, and {request.unread}")
        return None if is_checked else Decision(why)
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


def unavailable(code: ReasonCode, words: str) -> Decision:
    """Return the refusal of a request for which a lookup failed; the user may try again."""
    words = shortened(words, LONGEST_SENTENCE)
    return Decision(Reason(code, words), message=f"no decision: {words}; try again in a moment")
