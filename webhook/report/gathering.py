"""Gather the counts and events of the report from records, in one reading."""

from typing import Final

from webhook.audit.entry import Entry
from webhook.audit.schema import REASONED
from webhook.model.decision import Phase
from webhook.model.names import DEFAULT_DENY
from webhook.model.reason import ReasonCode, Verdict
from webhook.model.request import User
from webhook.model.steps import IsolationStatus
from webhook.report.ledger import Event, Happening, Ledger
from webhook.report.timeline import Timeline

CLUSTER: Final = "(cluster-wide)"  # objects without a namespace
# The meaning of an event for a namespace's default-deny policy.
BORN, STANDS, CREATED, RESTORED, WRITTEN, REMOVED, LEFT, ENDING = (
    "born", "stands", "created", "restored", "written", "removed", "left", "ending",
)  # fmt: skip
PROOFS: Final = frozenset({IsolationStatus.PROVEN, IsolationStatus.WRITTEN})
ACCEPTED, REFUSED = "came into force", "rejected"
# The API server asks twice about most requests; only the second phase decides.
LABELLING: Final = "decision of the mutating phase, which rejects nothing"


class Gathering:
    """Takes the records of a period from `begin`, inclusive, to `end`, exclusive; an empty time is open."""

    def __init__(self, *, begin: str = "", end: str = "") -> None:
        self.begin = begin
        self.end = end
        self.ledger = Ledger()
        self.refusals = Timeline()
        self.records = 0
        self.outside = 0
        self.first = self.last = ""

    def take(self, entry: Entry, file: str) -> None:
        """Count a record."""
        if entry.time < self.begin or (self.end and entry.time >= self.end):
            self.outside += 1
            return
        self.records += 1
        self.first = min(self.first or entry.time, entry.time)
        self.last = max(self.last, entry.time)
        count, time = self.ledger.count, entry.time
        count("file", file, time)
        is_labelling = entry.type == "decision" and entry.phase == Phase.MUTATE
        count("type", LABELLING if is_labelling else entry.type, time)
        count("release", entry.catflap, time)
        if entry.type in REASONED and not entry.reason_code:
            count("without code", entry.version, time)
        if entry.policy_digest:
            count("policy", entry.policy_digest, time)
        match entry.type:
            case "decision" if is_labelling:
                self._mutated(entry)
            case "decision":
                self._decided(entry)
            case "write":
                self._written(entry)
            case "configuration" | "certificate" | "leader" | "start" | "stop":
                what, details = told(entry)
                count(entry.type, what, time)
                self.ledger.happened(entry.type, Happening(time, what, details))

    def _mutated(self, entry: Entry) -> None:
        """Take the decision of the mutating phase, which labels and does not judge."""
        target = entry.object_ref
        if (target.path, entry.verb) == ("namespaces", "create") and not entry.dry_run:
            self._event(target.name, entry, BORN)

    def _decided(self, entry: Entry) -> None:
        count, time = self.ledger.count, entry.time
        count("decision", entry.decision, time)
        for fault in entry.warned:
            count("warned", fault.rule, time)
        for fault in entry.audited:
            count("audited", fault.rule, time)
        match entry.decision:
            case Verdict.DENIED:
                self._refused(entry)
            case Verdict.EXEMPT | Verdict.UNJUDGED | Verdict.UNAVAILABLE:
                count(entry.decision, entry.why, time)
        if applies_exception(entry):
            count("waived", entry.reason, time)
        if entry.reason_code == ReasonCode.BREAK_GLASS:
            count("break-glass", entry.username, time)
        elif entry.decision == Verdict.EXEMPT and not entry.reason_code:
            count("exempt without code", entry.username, time)
        self._isolated(entry)

    def _isolated(self, entry: Entry) -> None:
        """Take what a decision says about its namespace's default-deny policy."""
        count, time = self.ledger.count, entry.time
        if (entry.object_ref.path, entry.verb) == ("pods", "create"):
            count("new pod", entry.decision, time)
        if entry.closure:
            count("closure", entry.closure, time)
            if entry.closure in PROOFS:
                self._event(entry.object_ref.namespace, entry, STANDS)
            else:
                count(f"closure {entry.closure}", entry.object_ref.namespace, time)
        elif is_removal(entry):
            self._event(entry.object_ref.namespace, entry, ENDING if ends(entry) else REMOVED)

    def _refused(self, entry: Entry) -> None:
        count, time = self.ledger.count, entry.time
        count("namespace", entry.object_ref.namespace or CLUSTER, time)
        count("user", entry.username, time)
        count("refused", "dry run" if entry.dry_run else "stored request", time)
        for rule in dict.fromkeys(fault.rule for fault in entry.denied):
            count("rule", rule, time)
            self.refusals.add(rule, time)

    def _written(self, entry: Entry) -> None:
        target = entry.object_ref
        self.ledger.count("written", f"{target.kind}: {entry.reason_code or entry.reason}", entry.time)
        if (target.kind, target.name) == ("NetworkPolicy", DEFAULT_DENY) and (what := written(entry)):
            self.ledger.event(Event(target.namespace, entry.time, what, target.api_version))

    def _event(self, namespace: str, entry: Entry, what: str) -> None:
        self.ledger.event(Event(namespace, entry.time, what, entry.username))


def is_removal(entry: Entry) -> bool:
    """Return whether a user could remove or edit a namespace's default-deny policy; an edit may open as much."""
    target = entry.object_ref
    let = entry.decision not in {Verdict.DENIED, Verdict.UNAVAILABLE} and not entry.dry_run
    return (
        let and entry.verb in {"delete", "update"} and (target.path, target.name) == ("networkpolicies", DEFAULT_DENY)
    )


def applies_exception(entry: Entry) -> bool:
    """Return whether an exception admitted a request.

    Before reason codes existed, no other admitted request had a reason.
    """
    if entry.reason_code:
        return entry.reason_code == ReasonCode.EXCEPTION_APPLIED
    return entry.decision == Verdict.ALLOWED and bool(entry.reason)


def ends(entry: Entry) -> bool:
    """Return whether a policy is removed with its namespace; without a reason code, the user shows this as well."""
    if entry.reason_code:
        return entry.reason_code == ReasonCode.NAMESPACE_TERMINATING
    return User(entry.username).is_namespace_deleter


def written(entry: Entry) -> str:
    """Return what a write of a default-deny policy means for its namespace, or "" if nothing was written."""
    if entry.verb == "get":  # the record reports something that cannot be repaired
        return ""
    if entry.verb == "delete":
        return LEFT
    if not entry.reason_code:
        return WRITTEN
    return RESTORED if entry.reason_code == ReasonCode.POLICY_RESTORED else CREATED


def told(entry: Entry) -> tuple[str, str]:
    """Return what happened, and the details."""
    match entry.type:
        case "configuration":
            return ACCEPTED if entry.accepted else REFUSED, "; ".join(entry.faults) or f"policy {entry.policy_digest}"
        case "certificate":
            said = entry.serving
            return entry.why, f"serial {said.get('serial')}, until {said.get('notAfter')}"
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
