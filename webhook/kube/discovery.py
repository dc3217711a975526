"""Find out which network policies the cluster serves, and choose the engine to write for."""

from webhook.kube.api import Api, ApiError
from webhook.netpol.intent import PolicyEngine

CALICO_GROUP = "/apis/projectcalico.org/v3"
POLICIES = "networkpolicies"


def calico_resources(api: Api) -> frozenset[str]:
    """Return the plural names of the resources that projectcalico.org/v3 serves; none while the API is listed but does not answer.

    Its policies cannot be written then. catflap writes plain NetworkPolicies instead, which Calico enforces as well.
    Raises ApiError where the API server itself does not answer.
    """
    try:
        served = api.get(CALICO_GROUP) or {}
    except ApiError as error:
        if error.status == 0:
            raise
        return frozenset()
    return frozenset(one["name"] for one in served.get("resources", ()))


def choose_engine(wanted: str, calico: frozenset[str]) -> PolicyEngine:
    """Return the engine to write for: the one that the policy file names, or Calico where its policies can be written.

    With `none`, no namespace is managed, so the result has no effect.
    """
    if wanted in {*PolicyEngine}:
        return PolicyEngine(wanted)
    return PolicyEngine.CALICO if POLICIES in calico else PolicyEngine.KUBERNETES
