"""Read the events of the API server's own audit log (audit.k8s.io/v1) that concern catflap."""

import re
from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from webhook.admission.policy_protection import OWN_NAME_PATTERN
from webhook.audit.chain import DECODE_ERRORS
from webhook.audit.log_lines import LogLine, UnreadableLogError
from webhook.model.kinds import BY_RESOURCE, CALICO, POD, POLICY_RESOURCES
from webhook.model.names import ENTRY_SUFFIX
from webhook.model.request import OBJECT_DELETERS
from webhook.syntax.type_errors import decode_error_message

API_VERSION: Final = "audit.k8s.io/v1"
# kube-apiserver, pkg/admission/plugin/webhook/{validating,mutating}/dispatcher.go: the value is the entry's name.
FAILED_OPEN: Final = (
    "failed-open.validating.webhook.admission.k8s.io/",
    "failed-open.mutation.webhook.admission.k8s.io/",
)
LAST_STAGES: Final = frozenset({"ResponseComplete", "Panic"})  # events of earlier stages have no annotations yet
SUCCESS_CODES: Final = range(200, 300)
OWN_NAME: Final = re.compile(OWN_NAME_PATTERN)
WEBHOOK_CONFIGURATION_RESOURCES: Final = frozenset({"validatingwebhookconfigurations", "mutatingwebhookconfigurations"})
CHANGE_VERBS: Final = frozenset({"update", "patch", "delete"})


class EventObjectRef(Struct, rename="camel", frozen=True):
    """The object of a request."""

    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    api_group: str = ""


class EventStatus(Struct, frozen=True):
    """The status of a response."""

    code: int = 0


class EventUser(Struct, frozen=True):
    """The user of a request."""

    username: str = ""


NO_OBJECT: Final = EventObjectRef()


class ApiServerEvent(Struct, rename="camel", frozen=True):
    """One audit event."""

    api_version: str
    kind: str
    stage: str
    verb: str = ""
    audit_id: str = msgspec.field(name="auditID", default="")
    request_received_timestamp: str = ""
    object_ref: EventObjectRef | None = None
    response_status: EventStatus | None = None
    user: EventUser = EventUser()
    impersonated_user: EventUser | None = None
    annotations: dict[str, str] = {}

    @property
    def time(self) -> str:
        """Return when the request arrived."""
        return self.request_received_timestamp

    @property
    def ref(self) -> EventObjectRef:
        """Return the reference to the object, which is empty if the event has none."""
        return self.object_ref or NO_OBJECT

    @property
    def username(self) -> str:
        """Return the user name, which is also the one that a webhook receives."""
        return (self.impersonated_user or self.user).username

    @property
    def is_final_stage(self) -> bool:
        """Return whether the API server has answered the request."""
        return self.stage in LAST_STAGES

    @property
    def description(self) -> str:
        """Return a description of the request."""
        name = "/".join(part for part in (self.ref.namespace, self.ref.name) if part)
        return f"{self.verb} {self.ref.resource} {name} (auditID {self.audit_id})"

    @property
    def has_succeeded(self) -> bool:
        """Return whether the API server carried out the request."""
        return (self.response_status or EventStatus()).code in SUCCESS_CODES

    @property
    def skipped_webhooks(self) -> list[str]:
        """Return catflap's webhook entries that the API server skipped because their answer was missing."""
        values = (value for key, value in self.annotations.items() if key.startswith(FAILED_OPEN))
        return sorted({value for value in values if value.endswith(ENTRY_SUFFIX)})

    @property
    def is_own_policy(self) -> bool:
        """Return whether the object is a policy with catflap's name."""
        return OWN_NAME.match(self.ref.name) is not None

    def expected_webhook(self, own_accounts: Collection[str]) -> str:
        """Return catflap's entry that the API server had to ask, or "" if there is none or the event does not say.

        An event of level Metadata does not say what an update changed, so only updates of catflap's own policies count.
        Calico's own API server asks webhooks about its own API group, and its own log has those requests.
        """
        ref = self.ref
        if ref.subresource or ref.api_group == CALICO:
            return ""
        key = (ref.api_group, ref.resource)
        if key in POLICY_RESOURCES and self.is_own_policy:
            may_change = self.username in OBJECT_DELETERS or self.username in own_accounts
            return "" if may_change or self.verb not in {*CHANGE_VERBS, "create"} else "policies"
        if self.verb != "create":
            return ""
        if key == (POD.group, POD.resource):
            return "pods"
        return "workloads" if key in BY_RESOURCE else "open-policies" if key in POLICY_RESOURCES else ""


EVENT_DECODER: Final = msgspec.json.Decoder(ApiServerEvent)


def read_event(line: LogLine) -> ApiServerEvent | None:
    """Return the event in a line, or None if the line is blank or not yet complete.  Raises UnreadableLogError."""
    if not line.text.strip():
        return None
    try:
        event = EVENT_DECODER.decode(line.text)
    except DECODE_ERRORS as bad:
        if not line.has_line_end:
            return None
        raise UnreadableLogError(f"{line.file}:{line.number}: not an audit event: {decode_error_message(bad)}") from bad
    if (event.api_version, event.kind) != (API_VERSION, "Event"):
        raise UnreadableLogError(f"{line.file}:{line.number}: not an event of {API_VERSION}")
    return event
