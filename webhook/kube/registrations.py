"""Where what we have the API server do stands: our webhook configurations, and the policy that it keeps itself."""

from typing import Final

from webhook.kube.api import Api
from webhook.model.names import ADMISSION_POLICY, DEFAULT_NAMESPACE, WEBHOOK_CONFIGURATION

API_VERSION: Final = "admissionregistration.k8s.io/v1"
PHASES: Final = ("validating", "mutating")
# In the order in which they are written; what binds goes first when both go.
TWINS: Final = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
PLURALS: Final = dict(zip(TWINS, ("validatingadmissionpolicies", "validatingadmissionpolicybindings"), strict=True))


def collection(phase: str) -> str:
    """The path of all webhook configurations of a phase."""
    return f"/apis/{API_VERSION}/{phase}webhookconfigurations"


def path(phase: str) -> str:
    """The path of ours."""
    return f"{collection(phase)}/{WEBHOOK_CONFIGURATION}"


def twins(kind: str) -> str:
    """The path of all objects of one of the two kinds."""
    return f"/apis/{API_VERSION}/{PLURALS[kind]}"


def twin_path(kind: str) -> str:
    """The path of ours."""
    return f"{twins(kind)}/{ADMISSION_POLICY}"


def own_namespace(api: Api) -> str:
    """Where catflap runs in a cluster, by its registered Service; where it usually does if nothing tells.  Raises ApiError."""
    entries = (api.get(path("validating")) or {}).get("webhooks") or [{}]
    service = entries[0].get("clientConfig", {}).get("service") or {}
    return str(service.get("namespace") or DEFAULT_NAMESPACE)
