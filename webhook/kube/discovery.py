"""What the cluster is: which policies it takes, which name servers it has."""

from collections.abc import Mapping

from webhook.kube.api import Api, ApiError
from webhook.netpol.dns import detect
from webhook.netpol.intent import Engine

CALICO_GROUP = "/apis/projectcalico.org/v3"


def calico_served(api: Api) -> bool:
    """Whether projectcalico.org/v3 takes NetworkPolicies.

    Raises ApiError where it is listed but not available: that is not known to be absent.
    """
    served = api.get(CALICO_GROUP)
    return served is not None and any(one["name"] == "networkpolicies" for one in served.get("resources", ()))


def is_available(api: Api) -> bool:
    """Whether Calico's policies can be written now: while its API is listed but does not answer, they cannot.

    Plain NetworkPolicies are written then; Calico enforces them as well. Raises ApiError where nobody answers at all.
    """
    try:
        return calico_served(api)
    except ApiError as error:
        if error.status == 0:
            raise
        return False


def choose_engine(wanted: str, *, calico: bool) -> Engine:
    """The engine to write for: the one that the policy names, or Calico where its policies can be written.

    `none` guards no namespace, so it does not matter which one it is.
    """
    if wanted in {*Engine}:
        return Engine(wanted)
    return Engine.CALICO if calico else Engine.KUBERNETES


def detect_dns(api: Api, kube_system_labels: Mapping[str, str]) -> str:
    """The DNS preset that fits this cluster.  Raises ApiError."""
    groups = api.get("/apis") or {}
    names = frozenset(group["name"] for group in groups.get("groups", ()))
    return detect(api_groups=names, kube_system_labels=kube_system_labels)
