"""Why a policy is written: as its record says it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from webhook.kube.api import Json
from webhook.kube.policies import Outcome, is_ours
from webhook.kube.surroundings import Surroundings
from webhook.model.names import NAMESPACE_UID_ANNOTATION
from webhook.model.reason import Reason, ReasonCode


class Asked(Struct, frozen=True):
    """What decides, besides a namespace's name, which policies are wanted there."""

    policy_digest: str
    around: Surroundings
    environment: str = ""


class Cause(StrEnum):
    """Why a policy is written."""

    NEW = "the namespace is guarded"
    ASKED = "the policy file or the cluster asks for it"
    REPAIR = "it was edited or deleted"
    TAKEN = "an object of its name stood there that catflap had not written"


CODES: Final = {
    Cause.NEW: ReasonCode.POLICY_CREATED,
    Cause.ASKED: ReasonCode.POLICY_UPDATED,
    Cause.REPAIR: ReasonCode.POLICY_RESTORED,
    Cause.TAKEN: ReasonCode.POLICY_REPLACED,
}
WRITTEN: Final = {Outcome.CREATED: "created", Outcome.REPAIRED: "rewritten", Outcome.REPLACED: "rewritten"}


def cause_of(settled: Asked | None, asked: Asked, *, knows: bool, stood: bool) -> Cause:
    """Why a policy differs, or is missing.

    `settled` is under what its namespace last had all that was wanted, where this process `knows` that; `stood` says that the
    policy is known to have stood before. Clocks and creation times prove nothing of the kind: what is missing at the
    first look was edited or deleted only if something else shows that it was there.
    """
    if knows:
        return Cause.REPAIR if settled == asked else Cause.ASKED
    return Cause.REPAIR if stood else Cause.NEW


def explained(cause: Cause, outcome: Outcome) -> tuple[Cause, Reason]:
    """The cause once a write is done, and the reason that its record has."""
    if outcome is Outcome.REPLACED:
        cause = Cause.TAKEN
    elif cause is Cause.NEW and outcome is Outcome.REPAIRED:  # it stood before the first look, and not as it should
        cause = Cause.REPAIR
    did = "restored" if cause is Cause.REPAIR else WRITTEN[outcome]
    return cause, Reason(CODES[cause], f"{did}: {cause}")


def was_isolated(others: Iterable[Json], uid: str) -> bool:
    """Whether policies that stand in a namespace show that its default-deny stood as well: it is written before all others.

    Only those count that catflap wrote for this very namespace.
    """
    return any(
        is_ours(one) and (one["metadata"].get("annotations") or {}).get(NAMESPACE_UID_ANNOTATION) == uid
        for one in others
    )
