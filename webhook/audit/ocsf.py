"""Convert records to events of the Open Cybersecurity Schema Framework, class API Activity.

https://schema.ocsf.io/1.8.0/classes/api_activity
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from webhook.audit.log_entry import LogEntry
from webhook.model.decision import Verdict

# The newest version whose schema the tests have; 1.9 requires nothing more of this class.
OCSF_VERSION: Final = "1.8.0"
CATEGORY: Final = 6  # Application Activity
CLASS: Final = 6003
PROFILE: Final = "security_control"

# Records about the chain itself are not API activity.
EXPORTED: Final = frozenset({"decision", "write", "configuration", "certificate", "leader"})

CREATE, UPDATE, DELETE, OTHER = 1, 3, 4, 99
ACTIVITIES: Final[Mapping[str, int]] = {
    "create": CREATE,
    "update": UPDATE,
    "patch": UPDATE,
    "apply": UPDATE,
    "delete": DELETE,
}
NAMES: Final = {CREATE: "Create", UPDATE: "Update", DELETE: "Delete"}

UNKNOWN, SUCCESS, FAILURE = 0, 1, 2  # status_id
INFORMATIONAL, LOW, MEDIUM = 1, 2, 3  # severity_id
ALLOWED, DENIED, MODIFIED = 1, 2, 4  # action_id
PASSED, BLOCKED, ERROR = 1, 2, 27  # disposition_id
DISPOSITIONS: Final[Mapping[str, int]] = {Verdict.DENIED: BLOCKED, Verdict.UNAVAILABLE: ERROR}
SEVERITIES: Final[Mapping[str, int]] = {Verdict.DENIED: LOW, Verdict.EXEMPT: LOW, Verdict.UNAVAILABLE: MEDIUM}

EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MILLISECOND: Final = timedelta(milliseconds=1)

# Fields of an entry that have their own field in an event.
MAPPED: Final = frozenset(
    {"type", "time", "version", "catflap", "user", "verb", "object_ref", "reason_code", "reason", "writer"}
)

ENCODER: Final = msgspec.json.Encoder()

Event = Mapping[str, Any]


def encode_events(entries: Iterator[LogEntry]) -> Iterator[bytes]:
    """Yield a line of JSON for each record that is an event."""
    for entry in entries:
        if entry.type in EXPORTED:
            yield ENCODER.encode(event(entry)) + b"\n"


def event(entry: LogEntry) -> Event:
    """Return the event of a record without loss: fields that the class does not have are in `unmapped`."""
    activity = ACTIVITIES.get(entry.verb, OTHER)
    return {
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "activity_id": activity,
        "activity_name": NAMES.get(activity, entry.verb or entry.type),
        "type_uid": CLASS * 100 + activity,
        "time": (datetime.fromisoformat(entry.time) - EPOCH) // MILLISECOND,
        "severity_id": severity(entry),
        "status_id": status(entry),
        "message": message(entry),
        "metadata": metadata(entry),
        "actor": actor(entry),
        "api": api(entry),
        **resources(entry),
        "src_endpoint": {"name": "unknown"} if entry.user else {"svc_name": "catflap"},
        "dst_endpoint": {"svc_name": "kube-apiserver"},
        **control(entry),
        **({"status_code": entry.reason_code} if entry.reason_code else {}),
        **({"status_detail": detail} if (detail := violations_and_reason(entry)) else {}),
        "unmapped": unmapped(entry),
    }


def severity(entry: LogEntry) -> int:
    """Return the severity, which decides what an analyst looks at first."""
    if entry.accepted is False:
        return MEDIUM
    return SEVERITIES.get(entry.decision, INFORMATIONAL)


def status(entry: LogEntry) -> int:
    """Return whether the call succeeded; the outcome of an admitted request is unknown."""
    if entry.type == "decision":
        return FAILURE if entry.decision in DISPOSITIONS else UNKNOWN
    return FAILURE if entry.accepted is False else SUCCESS


def message(entry: LogEntry) -> str:
    """Return a one-line description of the event."""
    words = (entry.username or "catflap", entry.verb, entry.object_ref.path, entry.object_ref.full_name)
    outcome = entry.decision or ("refused" if entry.accepted is False else entry.type)
    return f"{' '.join(word for word in words if word)}: {outcome}"


def violations_and_reason(entry: LogEntry) -> str:
    """Return the faults, then the reason."""
    return "; ".join(part for part in (*map(str, entry.denied), *entry.faults, entry.reason) if part)


def metadata(entry: LogEntry) -> Event:
    """Return the origin of the event; both phases of one request have the same uid for correlation."""
    metadata_fields = {
        "version": OCSF_VERSION,
        "product": {"name": "catflap", "vendor_name": "catflap", "version": entry.catflap},
        "log_name": "catflap audit",
        "log_version": entry.version,
        "event_code": entry.type,
        "original_event_uid": f"{entry.chain}/{entry.seq}",
        "original_time": entry.time,
        "sequence": entry.seq,
    }
    if entry.decision:
        metadata_fields["profiles"] = [PROFILE]
    return metadata_fields | ({"correlation_uid": entry.id} if entry.id else {})


def actor(entry: LogEntry) -> Event:
    """Return the user, or catflap as the application if there is no user."""
    if entry.user is None:
        return {"app_name": "catflap"}
    return {"user": {"name": entry.username, "groups": [{"name": name} for name in entry.groups]}}


def api(entry: LogEntry) -> Event:
    """Return the API call."""
    target = entry.object_ref
    found: dict[str, Any] = {"operation": entry.verb or entry.type, "service": {"name": "kubernetes"}}
    if target.api_version:
        found["version"] = "/".join(part for part in (target.api_group, target.api_version) if part)
    return found | ({"request": {"uid": entry.id}} if entry.id else {})


def resources(entry: LogEntry) -> Event:
    """Return the object; its name is a star if the API server generates the name."""
    target = entry.object_ref
    if not target.path:
        return {}
    found = {"type": target.path, "name": target.name or "*"}
    return {"resources": [found | ({"namespace": target.namespace} if target.namespace else {})]}


def control(entry: LogEntry) -> Event:
    """Return catflap's action in the terms of the profile."""
    if not entry.decision:
        return {}
    disposition = DISPOSITIONS.get(entry.decision, PASSED)
    action = DENIED if disposition != PASSED else MODIFIED if entry.patched_labels else ALLOWED
    policy = {"policy": {"name": "catflap", "uid": entry.policy_digest}} if entry.policy_digest else {}
    return {"action_id": action, "disposition_id": disposition, **policy}


def unmapped(entry: LogEntry) -> Event:
    """Return the other fields of the record under the record's own names."""
    names = zip(entry.__struct_fields__, entry.__struct_encode_fields__, strict=True)
    values = {shown: getattr(entry, name) for name, shown in names if name not in MAPPED}
    return {name: to_mapping(value) for name, value in values.items() if value not in ("", None, (), {})}


def to_mapping(value: object) -> object:
    """Return faults as mappings, and other values unchanged."""
    return (
        [asdict(one) if hasattr(one, "__struct_fields__") else one for one in value]
        if isinstance(value, tuple)
        else value
    )
