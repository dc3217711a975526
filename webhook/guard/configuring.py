"""The policy file is judged before it counts: a ConfigMap with a bad one is refused where it is applied."""

from webhook.guard.message import refusal
from webhook.model.decision import Decision, FaultsWanted, ForesightWanted, Known, Verdict
from webhook.model.request import Request, User
from webhook.model.workload import reference


def judge_policy_file(
    request: Request, *, own_namespace: str, known: Known
) -> Decision | FaultsWanted | ForesightWanted:
    """The decision on our own ConfigMap; one of its name elsewhere is nobody's business.

    Only a changed file is asked about, so that a bad one that got past us does not keep anybody from labelling it. A sound
    one passes, with warnings of what it would change.
    """
    assert request.policy_file is not None
    if request.target.namespace != own_namespace:
        return Decision(Verdict.UNJUDGED, reason="no policy file of catflap's")
    if request.policy_file == request.policy_file_before:
        return Decision(Verdict.UNJUDGED, reason="the policy file stays as it was")
    if known.faults is None:
        return FaultsWanted(request.policy_file)
    if not known.faults:
        return with_foresight(request.policy_file, request.user, known)
    name = reference(request.target.kind, request.target.namespace, request.target.name)
    return Decision(Verdict.DENIED, denied=known.faults, message=refusal(name, known.faults))


def with_foresight(text: str, user: User, known: Known) -> Decision | ForesightWanted:
    """The admission of a sound file."""
    if known.foreseen is None:
        return ForesightWanted(text, user)
    return Decision(Verdict.ALLOWED, notices=known.foreseen)
