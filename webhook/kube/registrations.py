"""Where our webhook configurations stand."""

from typing import Final

from webhook.kube.api import Api
from webhook.model.names import DEFAULT_NAMESPACE, WEBHOOK_CONFIGURATION

API_VERSION: Final = "admissionregistration.k8s.io/v1"
PHASES: Final = ("validating", "mutating")
ENTRY_SUFFIX: Final = ".catflap.dev"  # of each entry's name


def collection(phase: str) -> str:
    """The path of all webhook configurations of a phase."""
    return f"/apis/{API_VERSION}/{phase}webhookconfigurations"


def path(phase: str) -> str:
    """The path of ours."""
    return f"{collection(phase)}/{WEBHOOK_CONFIGURATION}"


def own_namespace(api: Api) -> str:
    """Where catflap runs in a cluster, by its registered Service; where it usually does if nothing tells.  Raises ApiError."""
    entries = (api.get(path("validating")) or {}).get("webhooks") or [{}]
    service = entries[0].get("clientConfig", {}).get("service") or {}
    return str(service.get("namespace") or DEFAULT_NAMESPACE)
