"""Gather the counts and events of the report from records, in one reading."""

from typing import Final

from webhook.audit.log_entry import LogEntry
from webhook.audit.schema import TYPES_WITH_REASON
from webhook.model.decision import Phase
from webhook.model.names import DEFAULT_DENY
from webhook.model.reason import ReasonCode, Verdict
from webhook.model.request import User
from webhook.model.steps import IsolationStatus
from webhook.report.count_store import CountStore, PolicyEvent, TimelineEntry
from webhook.report.timeline import Timeline

CLUSTER_SCOPED: Final = "(cluster-wide)"  # objects without a namespace
# The meaning of an event for a namespace's default-deny policy.
NAMESPACE_CREATED, POLICY_EXISTS, POLICY_CREATED, POLICY_RESTORED, POLICY_WRITTEN, POLICY_REMOVED, POLICY_DELETED, NAMESPACE_TERMINATING = (
    "born", "stands", "created", "restored", "written", "removed", "left", "ending",
)  # fmt: skip
ISOLATION_PROOFS: Final = frozenset({IsolationStatus.PROVEN, IsolationStatus.WRITTEN})
ACCEPTED, REFUSED = "came into force", "rejected"
# The API server asks twice about most requests; only the second phase decides.
MUTATING_PHASE: Final = "decision of the mutating phase, which rejects nothing"


class Aggregator:
    """Takes the records of a period from `begin`, inclusive, to `end`, exclusive; an empty time is open."""

    def __init__(self, *, begin: str = "", end: str = "") -> None:
        self.begin = begin
        self.end = end
        self.counts = CountStore()
        self.refusals = Timeline()
        self.records = 0
        self.outside = 0
        self.first = self.last = ""

    def add(self, entry: LogEntry, file: str) -> None:
        """Count a record."""
        if entry.time < self.begin or (self.end and entry.time >= self.end):
            self.outside += 1
            return
        self.records += 1
        self.first = min(self.first or entry.time, entry.time)
        self.last = max(self.last, entry.time)
        count, time = self.counts.add, entry.time
        count("file", file, time)
        is_labelling = entry.type == "decision" and entry.phase == Phase.MUTATE
        count("type", MUTATING_PHASE if is_labelling else entry.type, time)
        count("release", entry.catflap, time)
        if entry.type in TYPES_WITH_REASON and not entry.reason_code:
            count("without code", entry.version, time)
        if entry.policy_digest:
            count("policy", entry.policy_digest, time)
        match entry.type:
            case "decision" if is_labelling:
                self._add_mutation(entry)
            case "decision":
                self._add_decision(entry)
            case "write":
                self._add_write(entry)
            case "configuration" | "certificate" | "leader" | "start" | "stop":
                description, details = describe(entry)
                count(entry.type, description, time)
                self.counts.add_entry(entry.type, TimelineEntry(time, description, details))

    def _add_mutation(self, entry: LogEntry) -> None:
        """Take the decision of the mutating phase, which labels and does not judge."""
        target = entry.object_ref
        if (target.path, entry.verb) == ("namespaces", "create") and not entry.dry_run:
            self._add_event(target.name, entry, NAMESPACE_CREATED)

    def _add_decision(self, entry: LogEntry) -> None:
        count, time = self.counts.add, entry.time
        count("decision", entry.decision, time)
        for fault in entry.warned:
            count("warned", fault.rule, time)
        for fault in entry.audited:
            count("audited", fault.rule, time)
        match entry.decision:
            case Verdict.DENIED:
                self._add_refusal(entry)
            case Verdict.EXEMPT | Verdict.UNJUDGED | Verdict.UNAVAILABLE:
                count(entry.decision, entry.why, time)
        if applies_exception(entry):
            count("waived", entry.reason, time)
        if entry.reason_code == ReasonCode.BREAK_GLASS:
            count("break-glass", entry.username, time)
        elif entry.decision == Verdict.EXEMPT and not entry.reason_code:
            count("exempt without code", entry.username, time)
        self._add_isolation(entry)

    def _add_isolation(self, entry: LogEntry) -> None:
        """Take what a decision says about its namespace's default-deny policy."""
        count, time = self.counts.add, entry.time
        if (entry.object_ref.path, entry.verb) == ("pods", "create"):
            count("new pod", entry.decision, time)
        if entry.closure:
            count("closure", entry.closure, time)
            if entry.closure in ISOLATION_PROOFS:
                self._add_event(entry.object_ref.namespace, entry, POLICY_EXISTS)
            else:
                count(f"closure {entry.closure}", entry.object_ref.namespace, time)
        elif is_removal(entry):
            self._add_event(
                entry.object_ref.namespace,
                entry,
                NAMESPACE_TERMINATING if is_namespace_deletion(entry) else POLICY_REMOVED,
            )

    def _add_refusal(self, entry: LogEntry) -> None:
        count, time = self.counts.add, entry.time
        count("namespace", entry.object_ref.namespace or CLUSTER_SCOPED, time)
        count("user", entry.username, time)
        count("refused", "dry run" if entry.dry_run else "stored request", time)
        for rule in dict.fromkeys(fault.rule for fault in entry.denied):
            count("rule", rule, time)
            self.refusals.add(rule, time)

    def _add_write(self, entry: LogEntry) -> None:
        target = entry.object_ref
        self.counts.add("written", f"{target.kind}: {entry.reason_code or entry.reason}", entry.time)
        if (target.kind, target.name) == ("NetworkPolicy", DEFAULT_DENY) and (kind := write_outcome(entry)):
            self.counts.add_event(PolicyEvent(target.namespace, entry.time, kind, target.api_version))

    def _add_event(self, namespace: str, entry: LogEntry, kind: str) -> None:
        self.counts.add_event(PolicyEvent(namespace, entry.time, kind, entry.username))


def is_removal(entry: LogEntry) -> bool:
    """Return whether a user could remove or edit a namespace's default-deny policy; an edit may open as much."""
    target = entry.object_ref
    was_admitted = entry.decision not in {Verdict.DENIED, Verdict.UNAVAILABLE} and not entry.dry_run
    return (
        was_admitted
        and entry.verb in {"delete", "update"}
        and (target.path, target.name) == ("networkpolicies", DEFAULT_DENY)
    )


def applies_exception(entry: LogEntry) -> bool:
    """Return whether an exception admitted a request.

    Before reason codes existed, no other admitted request had a reason.
    """
    if entry.reason_code:
        return entry.reason_code == ReasonCode.EXCEPTION_APPLIED
    return entry.decision == Verdict.ALLOWED and bool(entry.reason)


def is_namespace_deletion(entry: LogEntry) -> bool:
    """Return whether a policy is removed with its namespace; without a reason code, the user shows this as well."""
    if entry.reason_code:
        return entry.reason_code == ReasonCode.NAMESPACE_TERMINATING
    return User(entry.username).is_namespace_deleter


def write_outcome(entry: LogEntry) -> str:
    """Return what a write of a default-deny policy means for its namespace, or "" if nothing was written."""
    if entry.verb == "get":  # the record reports something that cannot be repaired
        return ""
    if entry.verb == "delete":
        return POLICY_DELETED
    if not entry.reason_code:
        return POLICY_WRITTEN
    return POLICY_RESTORED if entry.reason_code == ReasonCode.POLICY_RESTORED else POLICY_CREATED


def describe(entry: LogEntry) -> tuple[str, str]:
    """Return what happened, and the details."""
    match entry.type:
        case "configuration":
            return ACCEPTED if entry.accepted else REFUSED, "; ".join(entry.faults) or f"policy {entry.policy_digest}"
        case "certificate":
            certificate = entry.serving
            return entry.why, f"serial {certificate.get('serial')}, until {certificate.get('notAfter')}"
        case "leader":
            return "leads" if entry.leads else "no longer leads", f"{entry.candidate}: {entry.why}"
        case "start":
            pod = entry.writer.get("pod")
            name = pod.get("name") if isinstance(pod, dict) else None
            return (
                "started",
                f"{entry.writer.get('process')} {name or entry.writer.get('pid')}, catflap {entry.catflap}",
            )
        case _:
            return "stopped normally", f"chain {entry.chain[:8]}"
