"""Events of the API server's own audit log, as far as they say something about us: audit.k8s.io/v1."""

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
# apiserver, pkg/admission/plugin/webhook/{validating,mutating}/dispatcher.go: the value is the entry's name.
FAILED_OPEN: Final = (
    "failed-open.validating.webhook.admission.k8s.io/",
    "failed-open.mutation.webhook.admission.k8s.io/",
)
LAST_STAGES: Final = frozenset({"ResponseComplete", "Panic"})  # earlier ones have no annotations yet
STORED: Final = range(200, 300)
OUR_NAME: Final = re.compile(OWN_NAME_PATTERN)
CONFIGURATIONS: Final = frozenset({"validatingwebhookconfigurations", "mutatingwebhookconfigurations"})
CHANGES: Final = frozenset({"update", "patch", "delete"})


class ObjectRef(Struct, rename="camel", frozen=True):
    """Which object a request was about."""

    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    api_group: str = ""


class Status(Struct, frozen=True):
    """What became of a request."""

    code: int = 0


class Caller(Struct, frozen=True):
    """Who asked."""

    username: str = ""


NOTHING: Final = ObjectRef()


class Event(Struct, rename="camel", frozen=True):
    """One event."""

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
        """When the request came."""
        return self.request_received_timestamp

    @property
    def ref(self) -> ObjectRef:
        """The object, or none."""
        return self.object_ref or NOTHING

    @property
    def caller(self) -> str:
        """Who asked, as webhooks are told."""
        return (self.impersonated_user or self.user).username

    @property
    def is_last(self) -> bool:
        """Whether the request has been answered."""
        return self.stage in LAST_STAGES

    @property
    def about(self) -> str:
        """The request in words."""
        name = "/".join(part for part in (self.ref.namespace, self.ref.name) if part)
        return f"{self.verb} {self.ref.resource} {name} (auditID {self.audit_id})"

    @property
    def was_done(self) -> bool:
        """Whether what was asked for was done."""
        return (self.response_status or Status()).code in STORED

    @property
    def skipped(self) -> list[str]:
        """The entries of ours without whose answer the API server went on."""
        found = (value for key, value in self.annotations.items() if key.startswith(FAILED_OPEN))
        return sorted({value for value in found if value.endswith(ENTRY_SUFFIX)})

    @property
    def is_of_ours(self) -> bool:
        """Whether it is about a policy that bears our name."""
        return OUR_NAME.match(self.ref.name) is not None

    def due(self, own_accounts: Collection[str]) -> str:
        """The entry of ours that was to be asked; empty where none was, or where one cannot tell by an event.

        What an update changed is in no event of level Metadata, so only those of our own policies count. Calico's own API server
        asks about its own group, and logs that itself.
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
    """The event in a line; None where it is blank, or is still being written.  Raises Unreadable."""
    if not line.text.strip():
        return None
    try:
        event = EVENTS.decode(line.text)
    except NOT_JSON as bad:
        if not line.ended:
            return None
        raise Unreadable(f"{line.file}:{line.number}: no audit event: {refusal(bad)}") from bad
    if (event.api_version, event.kind) != (API_VERSION, "Event"):
        raise Unreadable(f"{line.file}:{line.number}: no event of {API_VERSION}")
    return event
