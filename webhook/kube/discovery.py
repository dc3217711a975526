"""What the cluster is: which policies it takes."""

from webhook.kube.api import Api, ApiError
from webhook.netpol.intent import Engine

CALICO_GROUP = "/apis/projectcalico.org/v3"
POLICIES = "networkpolicies"


def calico_resources(api: Api) -> frozenset[str]:
    """What projectcalico.org/v3 takes, by plural names; nothing while it is listed but does not answer.

    Its policies cannot be written then. Plain NetworkPolicies are instead; Calico enforces them as well. Raises ApiError
    where nobody answers at all.
    """
    try:
        served = api.get(CALICO_GROUP) or {}
    except ApiError as error:
        if error.status == 0:
            raise
        return frozenset()
    return frozenset(one["name"] for one in served.get("resources", ()))


def choose_engine(wanted: str, calico: frozenset[str]) -> Engine:
    """The engine to write for: the one that the policy names, or Calico where its policies can be written.

    `none` guards no namespace, so it does not matter which one it is.
    """
    if wanted in {*Engine}:
        return Engine(wanted)
    return Engine.CALICO if POLICIES in calico else Engine.KUBERNETES
