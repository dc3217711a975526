"""Determines why the controller writes a policy, and the reason of the audit record."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from webhook.kube.api import Json
from webhook.kube.cluster_info import ClusterInfo
from webhook.kube.policies import WriteOutcome, is_own_policy
from webhook.model.names import NAMESPACE_UID_ANNOTATION
from webhook.model.reason import Reason, ReasonCode


class PolicyInputs(Struct, frozen=True):
    """The inputs that decide which policies a namespace needs, apart from its name."""

    policy_digest: str
    around: ClusterInfo
    environment: str = ""


class WriteCause(StrEnum):
    """Why the controller writes a policy."""

    NEW = "the namespace is managed"
    CHANGED = "the policy file or the cluster requires it"
    REPAIR = "it was edited or deleted"
    NAME_CONFLICT = "it replaces an object of the same name that catflap had not written"


CODES: Final = {
    WriteCause.NEW: ReasonCode.POLICY_CREATED,
    WriteCause.CHANGED: ReasonCode.POLICY_UPDATED,
    WriteCause.REPAIR: ReasonCode.POLICY_RESTORED,
    WriteCause.NAME_CONFLICT: ReasonCode.POLICY_REPLACED,
}
OUTCOME_VERBS = {
    WriteOutcome.CREATED: "created",
    WriteOutcome.REPAIRED: "rewritten",
    WriteOutcome.REPLACED: "rewritten",
}


def cause_of(
    completed_inputs: PolicyInputs | None, inputs: PolicyInputs, *, is_known: bool, existed: bool
) -> WriteCause:
    """Return why a policy differs or is missing.

    `completed_inputs` are the inputs for which the namespace last had all its policies, if this process knows them
    (`is_known`). `existed` is true if the policy is known to have existed. Clocks and creation times cannot show
    that: a policy that is missing at the first look counts as edited or deleted only if something else shows that it
    existed.
    """
    if is_known:
        return WriteCause.REPAIR if completed_inputs == inputs else WriteCause.CHANGED
    return WriteCause.REPAIR if existed else WriteCause.NEW


def write_reason(cause: WriteCause, outcome: WriteOutcome) -> tuple[WriteCause, Reason]:
    """Return the cause after the write, and the reason of its record."""
    if outcome is WriteOutcome.REPLACED:
        cause = WriteCause.NAME_CONFLICT
    elif (
        cause is WriteCause.NEW and outcome is WriteOutcome.REPAIRED
    ):  # it existed before the first look, with other contents
        cause = WriteCause.REPAIR
    did = "restored" if cause is WriteCause.REPAIR else OUTCOME_VERBS[outcome]
    return cause, Reason(CODES[cause], f"{did}: {cause}")


def was_isolated(others: Iterable[Json], uid: str) -> bool:
    """Return whether the policies of a namespace show that its default-deny existed, as it is written before all others.

    Only policies that catflap wrote for this very namespace count.
    """
    return any(
        is_own_policy(one) and (one["metadata"].get("annotations") or {}).get(NAMESPACE_UID_ANNOTATION) == uid
        for one in others
    )
