"""Decisions once every question is answered, for tests that are about something else."""

from msgspec.structs import replace

from webhook.guard.decide import OFFLINE, decide
from webhook.model.decision import Decision, OwnerWanted
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request


def settled(
    request: Request, policy: GuardPolicy, *, own_namespace: str = "", owner_predates: bool | None = None
) -> Decision | OwnerWanted:
    """The decision with nothing asked but an owner's age; what it says of the namespace is left out."""
    known = replace(OFFLINE, owner_predates=owner_predates)
    decided = decide(request, policy, own_namespace=own_namespace, known=known)
    assert isinstance(decided, Decision | OwnerWanted)
    return replace(decided, closure=None) if isinstance(decided, Decision) else decided
