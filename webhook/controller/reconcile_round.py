"""One round of writes in a namespace: which policies come next, and which could not be written."""

from collections.abc import Mapping

from webhook.controller.desired_policies import CLUSTER_SCOPE
from webhook.controller.write_reasons import PolicyInputs
from webhook.kube.api import ApiError
from webhook.model.names import ALLOW_DNS, DEFAULT_DENY
from webhook.netpol.manifest import Manifest

# Policies that one pass writes after the default-deny. They take some tens of milliseconds, before the next namespace
# has its turn.
POLICIES_PER_SHARE = 20


class ReconcileRound:
    """The writes of one namespace until all are done, by policy name: None, or the error that prevented the write.

    A round is valid for its `inputs` only: other inputs may require other contents, or another engine's policy of the
    same name.
    """

    def __init__(self, inputs: PolicyInputs) -> None:
        self.inputs = inputs
        self.attempted: dict[str, ApiError | None] = {}


class ReconcileIncomplete(Exception):  # noqa: N818 (a state of the cluster)
    """Some policies of a namespace could not be written; the message names them, and says whether the namespace is isolated."""


def next_share(missing: list[Manifest]) -> tuple[list[Manifest], list[Manifest]]:
    """Return the missing policies to write now, and the remaining ones: first the default-deny, then DNS, then a few at a time.

    The policies keep their order.
    """
    first = 1 if missing and missing[0]["metadata"]["name"] in {DEFAULT_DENY, ALLOW_DNS} else POLICIES_PER_SHARE
    return missing[:first], missing[first:]


def incomplete_error(space: str, failed: Mapping[str, ApiError]) -> ReconcileIncomplete:
    """Return the error for the policies of a namespace that could not be written."""
    names, error = ", ".join(failed), next(iter(failed.values()))
    if space == CLUSTER_SCOPE:
        return ReconcileIncomplete(f"the cluster-wide default deny is not complete yet ({names}): {error}")
    state = "is not isolated yet" if DEFAULT_DENY in failed else f"is isolated, but {names} are not complete yet"
    return ReconcileIncomplete(f"namespace {space} {state}: {error}")
