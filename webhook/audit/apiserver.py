"""Read the events of the API server's own audit log (audit.k8s.io/v1) that concern catflap."""

import re
from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from webhook.audit.chain import NOT_JSON
from webhook.audit.reading import Line, Unreadable
from webhook.guard.policy_protection import OWN_NAME_PATTERN
from webhook.model.kinds import BY_RESOURCE, CALICO, POD, POLICY_RESOURCES
from webhook.model.names import ENTRY_SUFFIX
from webhook.model.request import OBJECT_DELETERS
from webhook.syntax.misfits import refusal

API_VERSION: Final = "audit.k8s.io/v1"
# kube-apiserver, pkg/admission/plugin/webhook/{validating,mutating}/dispatcher.go: the value is the entry's name.
FAILED_OPEN: Final = (
    "failed-open.validating.webhook.admission.k8s.io/",
    "failed-open.mutation.webhook.admission.k8s.io/",
)
LAST_STAGES: Final = frozenset({"ResponseComplete", "Panic"})  # events of earlier stages have no annotations yet
STORED: Final = range(200, 300)
OUR_NAME: Final = re.compile(OWN_NAME_PATTERN)
CONFIGURATIONS: Final = frozenset({"validatingwebhookconfigurations", "mutatingwebhookconfigurations"})
CHANGES: Final = frozenset({"update", "patch", "delete"})


class ObjectRef(Struct, rename="camel", frozen=True):
    """The object of a request."""

    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    api_group: str = ""


class Status(Struct, frozen=True):
    """The status of a response."""

    code: int = 0


class Caller(Struct, frozen=True):
    """The user of a request."""

    username: str = ""


NOTHING: Final = ObjectRef()


class Event(Struct, rename="camel", frozen=True):
    """One audit event."""

    api_version: str
    kind: str
    stage: str
    verb: str = ""
    audit_id: str = msgspec.field(name="auditID", default="")
    request_received_timestamp: str = ""
    object_ref: ObjectRef | None = None
    response_status: Status | None = None
    user: Caller = Caller()
    impersonated_user: Caller | None = None
    annotations: dict[str, str] = {}

    @property
    def time(self) -> str:
        """Return when the request arrived."""
        return self.request_received_timestamp

    @property
    def ref(self) -> ObjectRef:
        """Return the reference to the object, which is empty if the event has none."""
        return self.object_ref or NOTHING

    @property
    def caller(self) -> str:
        """Return the user name, which is also the one that a webhook receives."""
        return (self.impersonated_user or self.user).username

    @property
    def is_last(self) -> bool:
        """Return whether the API server has answered the request."""
        return self.stage in LAST_STAGES

    @property
    def about(self) -> str:
        """Return a description of the request."""
        name = "/".join(part for part in (self.ref.namespace, self.ref.name) if part)
        return f"{self.verb} {self.ref.resource} {name} (auditID {self.audit_id})"

    @property
    def was_done(self) -> bool:
        """Return whether the API server carried out the request."""
        return (self.response_status or Status()).code in STORED

    @property
    def skipped(self) -> list[str]:
        """Return catflap's webhook entries that the API server skipped because their answer was missing."""
        found = (value for key, value in self.annotations.items() if key.startswith(FAILED_OPEN))
        return sorted({value for value in found if value.endswith(ENTRY_SUFFIX)})

    @property
    def is_of_ours(self) -> bool:
        """Return whether the object is a policy with catflap's name."""
        return OUR_NAME.match(self.ref.name) is not None

    def due(self, own_accounts: Collection[str]) -> str:
        """Return catflap's entry that the API server had to ask, or "" if there is none or the event does not say.

        An event of level Metadata does not say what an update changed, so only updates of catflap's own policies count.
        Calico's own API server asks webhooks about its own API group, and its own log has those requests.
        """
        ref = self.ref
        if ref.subresource or ref.api_group == CALICO:
            return ""
        key = (ref.api_group, ref.resource)
        if key in POLICY_RESOURCES and self.is_of_ours:
            free = self.caller in OBJECT_DELETERS or self.caller in own_accounts
            return "" if free or self.verb not in {*CHANGES, "create"} else "policies"
        if self.verb != "create":
            return ""
        if key == (POD.group, POD.resource):
            return "pods"
        return "workloads" if key in BY_RESOURCE else "open-policies" if key in POLICY_RESOURCES else ""


EVENTS: Final = msgspec.json.Decoder(Event)


def read_event(line: Line) -> Event | None:
    """Return the event in a line, or None if the line is blank or not yet complete.  Raises Unreadable."""
    if not line.text.strip():
        return None
    try:
        event = EVENTS.decode(line.text)
    except NOT_JSON as bad:
        if not line.ended:
            return None
        raise Unreadable(f"{line.file}:{line.number}: not an audit event: {refusal(bad)}") from bad
    if (event.api_version, event.kind) != (API_VERSION, "Event"):
        raise Unreadable(f"{line.file}:{line.number}: not an event of {API_VERSION}")
    return event
