"""The policy file is judged before it counts: a ConfigMap with a bad one is refused where it is applied, and one is not deleted by just anyone."""

from webhook.guard.exemption import EMPTIED, authorized, breaks_glass
from webhook.guard.message import refusal
from webhook.model.decision import Decision, FaultsWanted, ForesightWanted, Known
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Request, User
from webhook.model.violation import Violation
from webhook.model.workload import reference

PROTECTION = "policy-file"  # in the place of a rule's id; it has no mode, for mode governs rules only
NOT_OURS = Decision(Reason(ReasonCode.NOT_POLICY_FILE, "no policy file of catflap's"))


def judge_policy_file(
    request: Request, policy: GuardPolicy, *, own_namespace: str, known: Known
) -> Decision | FaultsWanted | ForesightWanted:
    """The decision on our own ConfigMap; one of its name elsewhere is nobody's business.

    Only a changed file is asked about, so that a bad one that got past us does not keep anybody from labelling it. A sound
    one passes, with warnings of what it would change.
    """
    if request.target.namespace != own_namespace:
        return NOT_OURS
    if request.policy_file is None:
        return judge_deletion(request, policy)
    if request.policy_file == request.policy_file_before:
        return Decision(Reason(ReasonCode.POLICY_FILE_UNCHANGED, "the policy file stays as it was"))
    if known.faults is None:
        return FaultsWanted(request.policy_file)
    if not known.faults:
        return with_foresight(request.policy_file, request.user, known)
    name = reference(request.target.kind, request.target.namespace, request.target.name)
    why = Reason(ReasonCode.POLICY_FILE_INVALID)
    return Decision(why, denied=known.faults, message=refusal(name, known.faults))


def with_foresight(text: str, user: User, known: Known) -> Decision | ForesightWanted:
    """The admission of a sound file."""
    if known.foreseen is None:
        return ForesightWanted(text, user)
    return Decision(Reason(ReasonCode.POLICY_FILE_VALID), notices=known.foreseen)


def judge_deletion(request: Request, policy: GuardPolicy) -> Decision:
    """The decision on the deletion of our own ConfigMap: for the groups that the file names, and for an emergency.

    What runs would keep the last file, and what starts later would have none: servers that are not ready, and Pods that are
    refused. The namespace controller empties a namespace that somebody was allowed to delete. The garbage collector is refused,
    since whoever may edit the ConfigMap could give it an owner that does not exist.
    """
    groups = policy.policy_file.deleted_by
    passed = breaks_glass(request.user, policy) or authorized(request.user, groups)
    if request.user.empties_namespaces:
        passed = EMPTIED
    if passed:
        return Decision(passed)
    name = reference(request.target.kind, request.target.namespace, request.target.name)
    allowed = " or ".join((*groups, *policy.break_glass.groups)) or "no group"
    fault = Violation(
        rule=PROTECTION,
        path="metadata.name",
        message=f"without it no server of catflap's can start: only members of {allowed} delete it (policyFile.deletedBy); "
        "to change what it says, edit it",
    )
    return Decision(Reason(ReasonCode.POLICY_FILE_PROTECTED), denied=(fault,), message=refusal(name, (fault,)))
