"""Where our webhook configurations stand."""

from typing import Final

from webhook.model.names import WEBHOOK_CONFIGURATION

API_VERSION: Final = "admissionregistration.k8s.io/v1"
PHASES: Final = ("validating", "mutating")
ENTRY_SUFFIX: Final = ".catflap.dev"  # of each entry's name


def collection(phase: str) -> str:
    """The path of all webhook configurations of a phase."""
    return f"/apis/{API_VERSION}/{phase}webhookconfigurations"


def path(phase: str) -> str:
    """The path of ours."""
    return f"{collection(phase)}/{WEBHOOK_CONFIGURATION}"
