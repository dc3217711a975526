"""The policy file is judged before it counts: a ConfigMap with a bad one is refused where it is applied, and one is not deleted by just anyone."""

from webhook.guard.message import refusal
from webhook.guard.policy_protection import break_glass_reason
from webhook.model.decision import Decision, FaultsWanted, ForesightWanted, Known, Verdict
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request, User
from webhook.model.rule import Violation
from webhook.model.workload import reference

PROTECTION = "policy-file"  # in the place of a rule's id; it has no mode, for mode governs rules only


def judge_policy_file(
    request: Request, policy: GuardPolicy, *, own_namespace: str, known: Known
) -> Decision | FaultsWanted | ForesightWanted:
    """The decision on our own ConfigMap; one of its name elsewhere is nobody's business.

    Only a changed file is asked about, so that a bad one that got past us does not keep anybody from labelling it. A sound
    one passes, with warnings of what it would change.
    """
    if request.target.namespace != own_namespace:
        return Decision(Verdict.UNJUDGED, reason="no policy file of catflap's")
    if request.policy_file is None:
        return judge_deletion(request, policy)
    if request.policy_file == request.policy_file_before:
        return Decision(Verdict.UNJUDGED, reason="the policy file stays as it was")
    if known.faults is None:
        return FaultsWanted(request.policy_file)
    if not known.faults:
        return admit_valid_file(request.policy_file, request.user, known)
    name = reference(request.target.kind, request.target.namespace, request.target.name)
    return Decision(Verdict.DENIED, denied=known.faults, message=refusal(name, known.faults))


def admit_valid_file(text: str, user: User, known: Known) -> Decision | ForesightWanted:
    """The admission of a sound file."""
    if known.foreseen is None:
        return ForesightWanted(text, user)
    return Decision(Verdict.ALLOWED, notices=known.foreseen)


def judge_deletion(request: Request, policy: GuardPolicy) -> Decision:
    """The decision on the deletion of our own ConfigMap: for the groups that the file names, and for an emergency.

    What runs would keep the last file, and what starts later would have none: servers that are not ready, and Pods that are
    refused. The namespace controller empties a namespace that somebody was allowed to delete. The garbage collector is refused,
    since whoever may edit the ConfigMap could give it an owner that does not exist.
    """
    groups = policy.policy_file.deleted_by
    member = next((group for group in groups if group in request.user.groups), None)
    passed = break_glass_reason(request.user, policy) or (f"member of {member}" if member else "")
    if request.user.is_namespace_deleter:
        passed = "Kubernetes removes what is in a namespace that is being deleted"
    if passed:
        return Decision(Verdict.EXEMPT, reason=passed)
    name = reference(request.target.kind, request.target.namespace, request.target.name)
    allowed = " or ".join((*groups, *policy.break_glass.groups)) or "no group"
    fault = Violation(
        rule=PROTECTION,
        path="metadata.name",
        message=f"without it no server of catflap's can start: only members of {allowed} delete it (policyFile.deletedBy); "
        "to change what it says, edit it",
    )
    return Decision(Verdict.DENIED, denied=(fault,), message=refusal(name, (fault,)))
