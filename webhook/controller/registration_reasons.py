"""Determines why the controller writes a webhook configuration, as the reason of the audit record."""

from typing import Final

from webhook.controller.webhook_config_diff import only_client_config_differs
from webhook.kube.api import Json
from webhook.model.reason import Reason, ReasonCode

CREATED: Final = Reason(ReasonCode.REGISTRATION_CREATED, "registered: the servers answer")
UPGRADED: Final = Reason(
    ReasonCode.REGISTRATION_UPGRADED, "rewritten: it differed from the registration of this release"
)
METADATA_CHANGED: Final = Reason(
    ReasonCode.REGISTRATION_METADATA_UPDATED,
    "rewritten: its labels, annotations or owners differed",
)
ENDPOINT_CHANGED: Final = Reason(
    ReasonCode.REGISTRATION_ENDPOINT_UPDATED, "rewritten: the address or path for reviews changed"
)
RULES_CHANGED: Final = Reason(
    ReasonCode.REGISTRATION_RULES_UPDATED, "rewritten: the policy file requires other requests"
)


def update_reason(stored: Json, target: Json, *, is_known: bool) -> Reason:
    """Return why a configuration was written that others did not change.

    `is_known` is false if this process sees the configuration for the first time.
    """
    if not is_known:
        return UPGRADED
    if stored["webhooks"] == target["webhooks"]:
        return METADATA_CHANGED
    return ENDPOINT_CHANGED if only_client_config_differs(stored, target) else RULES_CHANGED
