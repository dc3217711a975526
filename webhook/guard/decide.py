"""One request in, one decision out."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from msgspec.structs import replace

from webhook.custom.evaluation import evaluate_rules, unchecked_rules
from webhook.guard.binding import admitted, judge_binding
from webhook.guard.configuring import judge_policy_file
from webhook.guard.excusing import inherited
from webhook.guard.exemption import exempted, spared_namespace
from webhook.guard.judge import guarded_only, judge_request, mode_of
from webhook.guard.labelling import guard_labels
from webhook.guard.protect import protect
from webhook.guard.unread import judge_unread
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
from webhook.model.exemptions import Waiver
from webhook.model.identity import Identities, chart_accounts
from webhook.model.modes import Mode
from webhook.model.other_kinds import unread
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.violation import Violation
from webhook.model.workload import Owner

NOTHING = Known()
# No rule is asked, but the namespace is isolated: a refusal until it is keeps the kubelet trying, and is on record.
MIRRORED = Decision(Reason(ReasonCode.MIRROR_POD, "mirror Pod: the kubelet runs it whatever the answer"))
RESTARTED = Reason(ReasonCode.OLDER_WORKLOAD, "restarted: it is older than catflap")
MADE_FOR_OLDER = Reason(ReasonCode.OLDER_OWNER, "made for an owner older than catflap")
NOT_ITS_PODS = (
    "you pass as exempt; the Pods that a controller makes of it are judged, unless this is older than catflap"
)
ELSEWHERE = Reason(
    ReasonCode.POD_LABELS_UNKNOWN,
    "which labels its Pods get is not written in this object alone, so they are judged themselves",
)
# What goes without saying where there is no cluster to ask.
OFFLINE = Known(
    old_owners=(),
    closure=Closure.UNCHECKED,
    guarded=True,
    namespace_labels={},
    foreseen=(),
    namespace=NamespaceSeen(None),
)
# Later than any exception lasts: where nobody says what time it is, none counts.
END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def decide(
    request: Request,
    policy: GuardPolicy,
    *,
    own_namespace: str = "",
    own_accounts: Identities | None = None,
    known: Known = NOTHING,
    at: datetime = END_OF_TIME,
) -> Decision | Question:
    """The decision of the validating phase, or the question that it hangs on.

    `own_namespace` is where catflap itself runs, and `own_accounts` are the users that it acts as, the chart's unless given; `known` answers earlier questions; `at` is now, for exceptions end.

    The refusal of an object for the rules has no message yet: `webhook.guard.explaining.explained` adds it where it is shown, as its fix costs more than the judgement.
    """
    ours = chart_accounts(own_namespace) if own_accounts is None else own_accounts
    if request.unread:
        return decide_unread(request, policy, own_namespace=own_namespace, own_accounts=ours, known=known, at=at)
    if (decided := of_the_guard(request, policy, own_namespace, ours, known)) is not None:
        return decided
    decided = passes_unjudged(request, policy, own_namespace)
    if decided is None and request.bound_labels is not None:
        passed = exempted(request.user, policy)
        return Decision(passed) if passed else judge_binding(request, policy)
    if decided is None and request.policy is not None:
        decided = protect(request, policy, own_accounts=ours)
    if decided is not None:
        return behind_gate(request, decided, known) if decided is MIRRORED and makes_pod(request) else decided
    decision = by_rules(request, policy, known, at)
    if policy.custom and isinstance(decision, Decision) and (left_out := unchecked_rules(request, policy, known)):
        decision = replace(decision, unchecked=left_out)
    if isinstance(decision, Decision) and decision.allowed and makes_pod(request):
        return behind_gate(request, decision, known)
    return decision


def of_the_guard(
    request: Request, policy: GuardPolicy, own_namespace: str, own_accounts: Identities, known: Known
) -> Decision | Question | None:
    """The decision on what the guard itself depends on, which are namespaces and the policy file; None of anything else."""
    if request.namespace is not None:  # exempt or not: by its labels it would count as one of an environment's
        return guard_labels(request, policy, own_namespace=own_namespace, own_accounts=own_accounts)
    if request.policy_file_deleted or request.policy_file is not None:
        return judge_policy_file(request, policy, own_namespace=own_namespace, known=known)
    return None


def decide_unread(
    request: Request, policy: GuardPolicy, *, own_namespace: str, own_accounts: Identities, known: Known, at: datetime
) -> Decision | Question:
    """As `decide`, of a request whose objects are not read."""
    exempt = exempted(request.user, policy)
    decision: Decision | Question | None = judge_unread(
        request, policy, own_namespace=own_namespace, own_accounts=own_accounts, exempted=exempt
    )
    if decision is None:
        decision = by_rules(request, policy, known, at)
    if isinstance(decision, Decision) and decision.allowed and makes_pod(request):
        return behind_gate(request, decision, known)
    return decision


def by_rules(request: Request, policy: GuardPolicy, known: Known, at: datetime) -> Decision | Question:
    """What the rules say of a workload, or of somebody's network policy."""
    found = faults_brought(request, policy, known)
    if not isinstance(found, tuple):
        return found
    if not found:
        return admitted()
    if passed := exempted(request.user, policy):
        notices = () if request.target.is_pod else (NOT_ITS_PODS,)
        return Decision(passed, audited=found, notices=notices if request.workload else ())
    return first_asked(request, policy, found, known) or weighed(request, policy, found, known, at)


def first_asked(
    request: Request, policy: GuardPolicy, found: tuple[Violation, ...], known: Known
) -> GuardWanted | LabelsWanted | None:
    """What has to be known of the namespace before its faults can be weighed; None where nothing has."""
    namespace = request.target.namespace
    if namespace and known.guarded is None and any(map(guarded_only, found)):
        return GuardWanted(namespace)
    if namespace and known.namespace_labels is None and policy.namespaces.overridden_by_label:
        return LabelsWanted(namespace)
    return None


def weighed(
    request: Request, policy: GuardPolicy, found: tuple[Violation, ...], known: Known, at: datetime
) -> Decision | OwnerWanted:
    """What faults do to a request, by the mode of each one's rule there."""
    namespace = request.target.namespace
    override = policy.namespaces.override(namespace, known.namespace_labels or {}) if namespace else None
    counted = [one for one in found if not namespace or known.guarded or not guarded_only(one)]
    waived = waivers(counted, namespace, policy, at)
    by_mode: dict[Mode, tuple[Violation, ...]] = {
        mode: tuple(one for one in counted if one.rule not in waived and mode_of(one, policy, override) is mode)
        for mode in (Mode.ENFORCE, Mode.WARN, Mode.AUDIT)
    }
    audited = (*by_mode[Mode.AUDIT], *(one for one in counted if one.rule in waived))
    if not by_mode[Mode.ENFORCE]:
        passed = admitted(by_mode[Mode.WARN], audited)
        return by_exception(passed, waived.values(), at) if waived else passed
    denied = by_mode[Mode.ENFORCE]
    if (owner := made_for(request, policy)) is not None:
        if known.old_owners is None:
            return OwnerWanted(namespace=namespace, owner=owner)
        excused = inherited(denied, request, policy, known)
        denied = tuple(one for one in denied if one not in excused)
        if not denied:
            return Decision(RESTARTED if request.restarted else MADE_FOR_OLDER, audited=tuple(counted))
        audited = (*audited, *excused)
    why = Reason(ReasonCode.RULE_VIOLATED)
    return Decision(why, denied=denied, warned=by_mode[Mode.WARN], audited=audited)


def by_exception(passed: Decision, waived: Iterable[Waiver], at: datetime) -> Decision:
    """The admission of a request of which exceptions cover a violation; who asks is told of exceptions that end soon."""
    used = tuple(waived)
    why = Reason(ReasonCode.EXCEPTION_APPLIED, "; ".join(map(str, used)))
    return replace(passed, why=why, notices=tuple(f"admitted by an {one}" for one in used if one.ends_soon(at)))


def faults_brought(request: Request, policy: GuardPolicy, known: Known) -> tuple[Violation, ...] | LabelsWanted:
    """The faults that a request brings under all rules, or what has to be asked first."""
    found = known.once("rules", lambda: judge_request(request, policy))
    if not policy.custom:
        return found
    custom = evaluate_rules(request, policy, known)
    return (*found, *custom) if isinstance(custom, tuple) else custom


def waivers(found: Iterable[Violation], namespace: str, policy: GuardPolicy, at: datetime) -> Mapping[str, Waiver]:
    """The exceptions that let faults pass, by the rule that each is from."""
    each = {one.rule: policy.waiver(one.rule, namespace, at) for one in found}
    return {rule: waiver for rule, waiver in each.items() if waiver is not None}


def makes_pod(request: Request) -> bool:
    """Whether a Pod would be stored: only then must its namespace be closed."""
    return request.operation is Operation.CREATE and request.target.is_pod


def behind_gate(request: Request, decision: Decision, known: Known) -> Decision | ClosureWanted:
    """The decision, once the namespace is known to be closed or not to be guarded."""
    if known.closure is None:
        return ClosureWanted(namespace=request.target.namespace, dry_run=request.dry_run)
    return replace(decision, closure=known.closure)


def passes_unjudged(request: Request, policy: GuardPolicy, own_namespace: str) -> Decision | None:
    """The decision on a request that no rule is asked about; None where the rules have to speak."""
    namespace = request.target.namespace
    if spared := spared_namespace(namespace, policy, own_namespace):
        return Decision(spared)
    if request.subject is None and request.namespace is None and request.bound_labels is None:
        said = unread(request.target.group, request.target.kind)
        return Decision(unjudged(request), notices=(said,) if said and writes(request) else ())
    if request.workload is not None and not request.workload.labelled(policy.workloads.scope):
        named = request.workload.reference_path
        return Decision(referenced(named) if named else ELSEWHERE)
    if request.workload is not None and request.workload.mirror and request.user.is_node:
        return MIRRORED
    return None


def writes(request: Request) -> bool:
    """Whether an object itself is created or changed."""
    return request.operation in {Operation.CREATE, Operation.UPDATE} and not request.target.subresource


def referenced(path: str) -> Reason:
    """Why a workload is not judged that has its pod template in another object, which it names at `path`."""
    return Reason(ReasonCode.TEMPLATE_REFERENCED, f"{path}: what it names is judged itself")


def unjudged(request: Request) -> Reason:
    """Why no rule speaks about a request."""
    target = request.target
    if request.operation in {Operation.DELETE, Operation.CONNECT}:
        return Reason(ReasonCode.OPERATION_NOT_JUDGED, f"{request.operation} makes no Pod")
    name = f"{target.resource}.{target.group}" if target.group else target.resource
    name += f"/{target.subresource}" if target.subresource else ""
    return Reason(ReasonCode.NO_RULE_APPLIES, f"no rule is about {name}")


def made_for(request: Request, policy: GuardPolicy) -> Owner | None:
    """Whose age excuses faults: of what a controller makes its owner, of what is restarted it itself; None where nobody's.

    The user tells the controller; ownerReferences alone would not, anyone can write them.
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
    """The refusal of what could not be found out; the user may try again."""
    words = shortened(words, LONGEST_SENTENCE)
    return Decision(Reason(code, words), message=f"not decided: {words}; try again in a moment")
