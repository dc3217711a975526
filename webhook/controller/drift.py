"""How the registration is, for people: what differs from what this release registers, and why it is not registered yet."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from webhook.controller.fitting import last_writer
from webhook.kube.api import Api, Json
from webhook.kube.events import Happened, named_by, policy_file, tell
from webhook.kube.registrations import API_VERSION, PHASES
from webhook.metrics import Metrics
from webhook.model.names import REGISTRATION_CONFIGMAP, WEBHOOK_CONFIGURATION
from webhook.model.reason import Reason, ReasonCode
from webhook.netpol.manifest import Manifest

logger = logging.getLogger(__name__)

MOST_TOLD: Final = 5  # of the differences in one message
REGISTERED: Final = "registered"


class Drift:
    """Shows the state of the registration by log, Event, metric and readiness; replicas tell the same thing once."""

    def __init__(
        self,
        api: Api,
        *,
        metrics: Metrics,
        own_namespace: str,
        now: Callable[[], datetime],
        deployment: Manifest | None = None,
    ) -> None:
        """`deployment` is the servers', for Events about what it waits for; without it they are about the policy file."""
        self._api = api
        self._metrics = metrics
        self._own_namespace = own_namespace
        self._now = now
        self._about = deployment or policy_file(own_namespace)
        self._weaker: dict[str, str] = {}
        self._off: tuple[str, ...] = ()
        self._missing: tuple[str, ...] = ()
        self._waiting = False
        self.status = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is awaited, and no entry is weaker than it should be."""
        return not (self._weaker or self._waiting) and bool(self.status)

    def fits(self, phase: str) -> None:
        """A configuration is as it should be."""
        self._weaker.pop(phase, None)

    def weaker(self, phase: str, stored: Json, found: Sequence[tuple[str, str]]) -> None:
        """A configuration differs, and cannot be put right: somebody keeps undoing that, or the API server refuses it."""
        text = self._text(phase, stored, found)
        if self._weaker.get(phase) != text:
            logger.error("the registration is not as this release registers it, and does not become so: %s", text)
            happened = Happened(
                "RegistrationWeakened",
                "Write",
                f"it is not as this release registers it, and does not become so: {text}",
                key=named_by(text),
            )
            tell(self._api, configuration(phase), happened, self._now())
        self._weaker[phase] = text

    def put_back(self, phase: str, stored: Json, found: Sequence[tuple[str, str]]) -> Reason:
        """A configuration was changed by others and is as it should be again; the reason for its record."""
        self._weaker.pop(phase, None)
        text = self._text(phase, stored, found)
        logger.warning("the registration was changed by others and is put back: %s", text)
        happened = Happened(ReasonCode.REGISTRATION_RESTORED, "Restore", text)
        tell(self._api, configuration(phase), happened, self._now())
        return Reason(ReasonCode.REGISTRATION_RESTORED, f"put back: {text}")

    def show(self, *, off: Sequence[str], missing: Sequence[str], waiting: Sequence[str], trouble: str) -> None:
        """What came of one pass: phases that an administrator turned off, that are not there, that wait, and for what."""
        for phase in PHASES:
            self._metrics.registered[phase].set(phase not in {*off, *missing})
            self._metrics.weakened[phase].set(phase in self._weaker)
        self._waiting = bool(waiting and trouble)
        before, self.status = self.status, self._status(off, missing, trouble)
        if self.status == before:
            return
        logger.log(logging.INFO if self.status == REGISTERED else logging.WARNING, "registration: %s", self.status)
        if trouble or off:
            reason = "NotRegistered" if waiting or off else "EndpointNotRegistered"
            tell(
                self._api,
                self._about,
                Happened(reason, "Register", self.status, key=named_by(self.status)),
                self._now(),
            )

    def leaves(self, why: str) -> None:
        """Show that catflap leaves the cluster: nothing is registered, and this replica is not ready until it registers again."""
        for phase in PHASES:
            self._weaker.pop(phase, None)
            self._metrics.registered[phase].set(0)
            self._metrics.weakened[phase].set(0)
        self._waiting = True
        if self.status != why:
            logger.warning("registration: %s", why)
        self.status = why

    def _status(self, off: Sequence[str], missing: Sequence[str], trouble: str) -> str:
        if off:
            return (
                f"turned off: an administrator deleted the {' and the '.join(off)} webhook configuration; to turn it on again: "
                f"kubectl --namespace {self._own_namespace} delete configmap {REGISTRATION_CONFIGMAP}"
            )
        if trouble and missing:
            return f"not registered yet, no request is judged: {trouble}"
        if trouble:
            return f"registered as before, but not where it should be: {trouble}"
        if self._weaker:
            return f"registered, but weaker than it should be: {'; '.join(self._weaker.values())}"
        return "not registered, and not to be" if missing and not self._waiting else REGISTERED

    def _text(self, phase: str, stored: Json, found: Sequence[tuple[str, str]]) -> str:
        told = "; ".join(f"{name}: {what}" for name, what in found[:MOST_TOLD])
        more = f"; and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
        by = last_writer(stored)
        return f"{phase}: {told}{more}{f' (last written by {by})' if by else ''}"


def configuration(phase: str) -> Manifest:
    """A webhook configuration by reference."""
    kind = f"{phase.capitalize()}WebhookConfiguration"
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": WEBHOOK_CONFIGURATION}}
