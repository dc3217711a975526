"""Protection of the policy file: a ConfigMap with an invalid policy is refused, and only permitted groups delete the ConfigMap."""

from webhook.admission.caller import NAMESPACE_DELETED, Caller
from webhook.model.decision import Decision, not_read
from webhook.model.names import POLICY_CONFIGMAP
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Reason, ReasonCode
from webhook.model.request import Operation, Request
from webhook.model.rule import Violation
from webhook.model.steps import PolicyImpactLookup, PolicyValidation, Resumable

PROTECTION = "policy-file"  # reported instead of a rule id; it has no mode, because modes are for rules
NOT_POLICY_FILE = Decision(Reason(ReasonCode.NOT_POLICY_FILE, "not the policy file of catflap"))


def judge_policy_file(
    request: Request, caller: Caller, policy: GuardPolicy, *, own_namespace: str
) -> Resumable[Decision]:
    """Decide on catflap's policy ConfigMap; ConfigMaps of this name in other namespaces are not checked.

    Only a changed file is validated, so users can still label a ConfigMap whose invalid policy was stored without a check. A valid
    file is admitted, with warnings of its impact.
    """
    is_another = request.unread and not request.policy_file_deleted and request.target.name != POLICY_CONFIGMAP
    if request.target.namespace != own_namespace or is_another:
        return NOT_POLICY_FILE
    if request.operation is Operation.DELETE:
        return judge_deletion(request, caller, policy)
    if request.policy_file is None:
        return not_read(PROTECTION, "data", request.unread)
    if request.policy_file == request.policy_file_before:
        return Decision(Reason(ReasonCode.POLICY_FILE_UNCHANGED, "the policy file does not change"))
    found = yield from PolicyValidation(request.policy_file).result()
    if not found.errors:
        impact = yield from PolicyImpactLookup(request.policy_file, request.user).result()
        return Decision(Reason(ReasonCode.POLICY_FILE_VALID), notices=(*found.warnings, *impact))
    return Decision(Reason(ReasonCode.POLICY_FILE_INVALID), denied=found.errors)


def judge_deletion(request: Request, caller: Caller, policy: GuardPolicy) -> Decision:
    """Return the decision on the deletion of catflap's policy ConfigMap: only listed groups and break-glass groups may delete it.

    Running processes would keep the last policy. Processes that start later would have none: such servers never get ready, and Pods are
    refused. The namespace controller may delete it, because it deletes the contents of a namespace that a user was allowed to delete.
    The garbage collector may not, because each user who may edit the ConfigMap can give it an owner that does not exist.
    """
    groups = policy.policy_file.deleted_by
    passed = NAMESPACE_DELETED if request.user.is_namespace_deleter else caller.break_glass or caller.member_of(groups)
    if passed:
        return Decision(passed)
    allowed = " or ".join((*groups, *policy.break_glass.groups)) or "no group"
    fault = Violation(
        rule=PROTECTION,
        path="metadata.name",
        message=f"catflap cannot start without the policy file: only members of {allowed} may delete it "
        "(policyFile.deletedBy); to change the policy, edit the file",
    )
    return Decision(Reason(ReasonCode.POLICY_FILE_PROTECTED), denied=(fault,))
