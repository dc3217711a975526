"""Paths of catflap's registration: its webhook configurations, and its ValidatingAdmissionPolicy with the binding."""

from typing import Final

from webhook.kube.api import Api
from webhook.model.names import ADMISSION_POLICY, DEFAULT_NAMESPACE, WEBHOOK_CONFIGURATION

API_VERSION: Final = "admissionregistration.k8s.io/v1"
PHASES: Final = ("validating", "mutating")
# In the order of creation; the binding is deleted first.
ADMISSION_POLICY_KINDS: Final = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
ADMISSION_POLICY_RESOURCES: Final = dict(
    zip(ADMISSION_POLICY_KINDS, ("validatingadmissionpolicies", "validatingadmissionpolicybindings"), strict=True)
)


def collection(phase: str) -> str:
    """Return the path of all webhook configurations of a phase."""
    return f"/apis/{API_VERSION}/{phase}webhookconfigurations"


def path(phase: str) -> str:
    """Return the path of catflap's webhook configuration of a phase."""
    return f"{collection(phase)}/{WEBHOOK_CONFIGURATION}"


def admission_policies_path(kind: str) -> str:
    """Return the path of all ValidatingAdmissionPolicies, or of all their bindings."""
    return f"/apis/{API_VERSION}/{ADMISSION_POLICY_RESOURCES[kind]}"


def own_admission_policy_path(kind: str) -> str:
    """Return the path of catflap's ValidatingAdmissionPolicy, or of its binding."""
    return f"{admission_policies_path(kind)}/{ADMISSION_POLICY}"


def find_own_namespace(api: Api) -> str:
    """Return the namespace of the registered Service; the default namespace where no Service is registered.  Raises ApiError."""
    entries = (api.get(path("validating")) or {}).get("webhooks") or [{}]
    service = entries[0].get("clientConfig", {}).get("service") or {}
    return str(service.get("namespace") or DEFAULT_NAMESPACE)
