"""Why a policy is written: as its record says it."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from webhook.kube.api import Json
from webhook.kube.cluster_info import ClusterInfo
from webhook.kube.policies import WriteOutcome, is_own_policy
from webhook.model.names import NAMESPACE_UID_ANNOTATION


class Asked(Struct, frozen=True):
    """What decides, besides a namespace's name, which policies are wanted there."""

    policy_digest: str
    around: ClusterInfo
    environment: str = ""


class Cause(StrEnum):
    """Why a policy is written."""

    NEW = "the namespace is guarded"
    ASKED = "the policy file or the cluster asks for it"
    REPAIR = "it was edited or deleted"
    TAKEN = "an object of its name stood there that catflap had not written"


WRITTEN = {WriteOutcome.CREATED: "created", WriteOutcome.REPAIRED: "rewritten", WriteOutcome.REPLACED: "rewritten"}


def cause_of(settled: Asked | None, asked: Asked, *, knows: bool, stood: bool) -> Cause:
    """Why a policy differs, or is missing.

    `settled` is under what its namespace last had all that was wanted, where this process `knows` that; `stood` says that the
    policy is known to have stood before. Clocks and creation times prove nothing of the kind: what is missing at the
    first look was edited or deleted only if something else shows that it was there.
    """
    if knows:
        return Cause.REPAIR if settled == asked else Cause.ASKED
    return Cause.REPAIR if stood else Cause.NEW


def explained(cause: Cause, outcome: WriteOutcome) -> tuple[Cause, str]:
    """The cause once a write is done, and the reason that its record has."""
    if outcome is WriteOutcome.REPLACED:
        cause = Cause.TAKEN
    elif (
        cause is Cause.NEW and outcome is WriteOutcome.REPAIRED
    ):  # it stood before the first look, and not as it should
        cause = Cause.REPAIR
    did = "restored" if cause is Cause.REPAIR else WRITTEN[outcome]
    return cause, f"{did}: {cause}"


def was_isolated(others: Iterable[Json], uid: str) -> bool:
    """Whether policies that stand in a namespace show that its default-deny stood as well: it is written before all others.

    Only those count that catflap wrote for this very namespace.
    """
    return any(
        is_own_policy(one) and (one["metadata"].get("annotations") or {}).get(NAMESPACE_UID_ANNOTATION) == uid
        for one in others
    )
