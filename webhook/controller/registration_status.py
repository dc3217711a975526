"""Reports the status of the registration: what differs from this release, and why catflap is not registered yet."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from webhook.controller.webhook_config_diff import last_writer
from webhook.kube.api import Api, Json
from webhook.kube.events import EventDetails, digest_key, policy_file_reference, post_event
from webhook.kube.webhook_configurations import API_VERSION, PHASES
from webhook.metrics import Metrics
from webhook.model.names import REGISTRATION_CONFIGMAP, WEBHOOK_CONFIGURATION
from webhook.model.reason import Reason, ReasonCode
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

MAX_DIFFERENCES: Final = 5  # in one message
REGISTERED: Final = "registered"


class RegistrationStatus:
    """Publishes the status by log, Event, metric and readiness; replicas share one Event per text."""

    def __init__(
        self,
        api: Api,
        *,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
        deployment: Manifest | None = None,
    ) -> None:
        """`deployment` is the servers'; Events about missing servers refer to it. Without it they refer to the policy file."""
        self._api = api
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._event_subject = deployment or policy_file_reference(own_namespace)
        self._weakened: dict[str, str] = {}
        self._off: tuple[str, ...] = ()
        self._missing: tuple[str, ...] = ()
        self._waiting = False
        self.summary = ""

    @property
    def is_healthy(self) -> bool:
        """Return whether the registration waits for nothing, and no entry is weaker than it should be."""
        return not (self._weakened or self._waiting) and bool(self.summary)

    def mark_matching(self, phase: str) -> None:
        """Record that a configuration matches this release."""
        self._weakened.pop(phase, None)

    def report_weakened(self, phase: str, stored: Json, found: Sequence[tuple[str, str]]) -> None:
        """Report a configuration that differs and cannot be repaired: a user reverts each repair, or the API server rejects it."""
        text = self._describe_differences(phase, stored, found)
        if self._weakened.get(phase) != text:
            logger.error(
                "the webhook configuration differs from the registration of this release, and catflap "
                "cannot repair it: %s",
                text,
            )
            happened = EventDetails(
                "RegistrationWeakened",
                "Write",
                "the webhook configuration differs from the registration of this release, and catflap cannot "
                f"repair it: {text}",
                key=digest_key(text),
            )
            post_event(self._api, configuration_reference(phase), happened, self._now())
        self._weakened[phase] = text

    def report_restored(self, phase: str, stored: Json, found: Sequence[tuple[str, str]]) -> Reason:
        """Report that a configuration was repaired after others changed it; return the reason for its record."""
        self._weakened.pop(phase, None)
        text = self._describe_differences(phase, stored, found)
        logger.warning("another user changed the webhook configuration, and catflap restored it: %s", text)
        post_event(
            self._api,
            configuration_reference(phase),
            EventDetails(ReasonCode.REGISTRATION_RESTORED, "Restore", text),
            self._now(),
        )
        return Reason(ReasonCode.REGISTRATION_RESTORED, f"restored: {text}")

    def update(self, *, off: Sequence[str], missing: Sequence[str], waiting: Sequence[str], trouble: str) -> None:
        """Publish the result of one pass.

        The arguments are the phases that an administrator turned off, that do not exist, and that are to be created,
        and the reason why they are not created yet.
        """
        for phase in PHASES:
            self._metrics.registered[phase].set(phase not in {*off, *missing})
            self._metrics.weakened[phase].set(phase in self._weakened)
        self._waiting = bool(waiting and trouble)
        before, self.summary = self.summary, self._describe(off, missing, trouble)
        if self.summary == before:
            return
        logger.log(logging.INFO if self.summary == REGISTERED else logging.WARNING, "registration: %s", self.summary)
        if trouble or off:
            reason = "NotRegistered" if waiting or off else "EndpointNotRegistered"
            post_event(
                self._api,
                self._event_subject,
                EventDetails(reason, "Register", self.summary, key=digest_key(self.summary)),
                self._now(),
            )

    def report_uninstall(self, why: str) -> None:
        """Report that catflap removes its registration; this replica is not ready until it registers again."""
        for phase in PHASES:
            self._weakened.pop(phase, None)
            self._metrics.registered[phase].set(0)
            self._metrics.weakened[phase].set(0)
        self._waiting = True
        if self.summary != why:
            logger.warning("registration: %s", why)
        self.summary = why

    def _describe(self, off: Sequence[str], missing: Sequence[str], trouble: str) -> str:
        if off:
            return (
                f"turned off: an administrator deleted the {' and the '.join(off)} webhook configuration; to turn it on again: "
                f"kubectl --namespace {self._own_namespace} delete configmap {REGISTRATION_CONFIGMAP}"
            )
        if trouble and missing:
            return f"not registered yet, so catflap checks no request: {trouble}"
        if trouble:
            return f"the earlier registration stays, because the new endpoint is not usable: {trouble}"
        if self._weakened:
            return (
                "registered, but the webhook configuration is weaker than required: "
                f"{'; '.join(self._weakened.values())}"
            )
        return "not registered, as configured" if missing and not self._waiting else REGISTERED

    def _describe_differences(self, phase: str, stored: Json, found: Sequence[tuple[str, str]]) -> str:
        told = "; ".join(f"{name}: {what}" for name, what in found[:MAX_DIFFERENCES])
        more = f"; and {len(found) - MAX_DIFFERENCES} more" if len(found) > MAX_DIFFERENCES else ""
        by = last_writer(stored)
        return f"{phase}: {told}{more}{f' (last written by {by})' if by else ''}"


def configuration_reference(phase: str) -> Manifest:
    """Return the reference to a webhook configuration."""
    kind = f"{phase.capitalize()}WebhookConfiguration"
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": WEBHOOK_CONFIGURATION}}
