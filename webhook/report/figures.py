"""What a log comes to: every figure of the page, gathered record by record in bounded memory."""

from collections import Counter, deque
from datetime import datetime
from typing import Final

from webhook.audit.entry import Entry
from webhook.audit.query import Query, moment
from webhook.model.decision import Verdict
from webhook.report.closing import Spaces
from webhook.report.tally import Tally, Timeline

# The newest of what is told line by line; all of it is in the log.
MOST_LINES: Final = 50
EXCEPTION: Final = "exception from "  # how a decision begins to say that one was used, see webhook.model.exemptions


class Figures:
    """Takes records one after the other; `asked` says which ones count."""

    def __init__(self, asked: Query) -> None:
        self._fits = asked.compiled()
        self.first = self.last = ""
        self.records = 0
        self.timeless = 0  # records whose time is none; they count nowhere else
        self.types: Counter[str] = Counter()
        self.decisions: Counter[str] = Counter()
        self.dry_runs = 0
        self.over_time = Timeline()
        self.broken: Tally[tuple[str, str]] = Tally()  # rule, what came of it
        self.refused_in: Tally[str] = Tally()
        self.refused_to: Tally[str] = Tally()
        self.refused_for: Tally[tuple[str, str]] = Tally()  # namespace, rule
        self.passed: Tally[tuple[str, str]] = Tally()  # decision, reason
        self.undecided: Tally[str] = Tally()
        self.exceptions: Tally[str] = Tally()
        self.spaces = Spaces()
        self.writes: Tally[tuple[str, str, str]] = Tally()  # kind, verb, reason
        self.files: deque[Entry] = deque(maxlen=MOST_LINES)  # policy files
        self.running: deque[Entry] = deque(maxlen=MOST_LINES)  # certificates and leaders
        self.releases: Tally[str] = Tally()

    def take(self, entry: Entry) -> None:
        """Count one record."""
        if not self._fits(entry):
            return
        try:
            at = moment(entry.time)
        except ValueError:
            self.timeless += 1
            return
        self.records += 1
        self.first = min(self.first or entry.time, entry.time)
        self.last = max(self.last, entry.time)
        self.types[entry.type] += 1
        self.releases.add(entry.catflap)
        self.spaces.take(entry, at)
        match entry.type:
            case "decision":
                self._decision(entry, at)
            case "write":
                self.writes.add((entry.object_ref.kind, entry.verb, entry.reason))
            case "configuration":
                self.files.append(entry)
            case "certificate" | "leader":
                self.running.append(entry)

    def _decision(self, entry: Entry, at: datetime) -> None:
        self.decisions[entry.decision] += 1
        self.dry_runs += bool(entry.dry_run)
        self.over_time.add(at, entry.decision)
        for outcome, faults in (("refused", entry.denied), ("warned", entry.warned), ("recorded", entry.audited)):
            for rule in dict.fromkeys(fault.rule for fault in faults):
                self.broken.add((rule, outcome))
        space = entry.object_ref.namespace
        match entry.decision:
            case Verdict.DENIED:
                self.refused_in.add(space)
                self.refused_to.add(entry.username)
                for rule in dict.fromkeys(fault.rule for fault in entry.denied):
                    self.refused_for.add((space, rule))
            case Verdict.UNAVAILABLE:
                self.undecided.add(entry.reason)
            case Verdict.EXEMPT | Verdict.UNJUDGED:
                self.passed.add((entry.decision, entry.reason))
        if entry.reason.startswith(EXCEPTION):
            self.exceptions.add(entry.reason)
