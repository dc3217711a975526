"""Make the page: all results as one HTML text that loads nothing and runs nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from webhook.audit.verify import Report
from webhook.guard.policy_protection import PROTECTION
from webhook.model.counting import counted
from webhook.model.decision import Verdict
from webhook.report import charts
from webhook.report.cluster import CLOSED, EXEMPT, OLDER, OPEN, Now
from webhook.report.controls import Figures, evidenced, without
from webhook.report.coverage import Coverage, coverage
from webhook.report.gathering import ACCEPTED, REFUSED, Gathering
from webhook.report.ruled import Entry, Exceptional, LeftOut
from webhook.report.words import duration, instant, shown

MOST_ROWS: Final = 25
MOST_CHAINS: Final = 100
MOST_SPACES: Final = 50
MOST_HAPPENINGS: Final = 100
COUNTS: Final = (
    "file", "type", "release", "policy", "decision", "exempt", "unjudged", "unavailable", "break-glass",
    "without code", "exempt without code",
    "waived", "rule", "namespace", "user", "refused", "warned", "audited", "written", "closure", "closure unguarded",
    "closure unchecked", "closure staged", "new pod",
)  # fmt: skip
HAPPENINGS: Final = ("configuration", "start", "stop", "leader", "certificate")


class Ruled(Struct, frozen=True):
    """The content of a policy file, and the name that the command line gave it."""

    name: str
    digest: str
    left_out: tuple[LeftOut, ...]
    entries: tuple[Entry, ...]
    exceptions: tuple[Exceptional, ...]


class Asked(Struct, frozen=True):
    """The inputs of the page from the command line."""

    files: Sequence[str]
    against: Sequence[str]
    roots: Sequence[str]
    begin: str
    end: str
    closed: bool
    lenient: bool
    release: str
    made: datetime
    cluster: str = ""  # its name, from the preparer
    scope: str = ""
    preparer: str = ""


def page(asked: Asked, gathering: Gathering, report: Report, *, ruled: Ruled | None, now: Now | None) -> str:
    """Return the whole page."""
    covered = coverage(gathering.ledger.events(), MOST_SPACES)
    series = gathering.refusals.series()
    tops = {kind: gathering.ledger.top(kind, MOST_ROWS) for kind in COUNTS}
    drawn = {}
    if series:
        drawn["time"] = charts.over_time(series, "Rejections over time by rule; the table below has the same figures.")
        drawn["rule"] = charts.ranking(tops["rule"], "Rejections by rule; the table below has the same figures.")
        drawn["namespace"] = charts.ranking(
            tops["namespace"], "Rejections by namespace; the table below has the same figures."
        )
    said: dict[str, Any] = {
        "asked": asked,
        "gathering": gathering,
        "report": report,
        "ruled": ruled,
        "now": now,
        "states": {"closed": CLOSED, "open": OPEN, "exempt": EXEMPT, "older": OLDER},
        "covered": covered,
        "without": without(covered),
        "series": series,
        "folded": series.folded(charts.MOST_SERIES),
        "top": tops,
        "happened": {kind: gathering.ledger.happenings(kind, MOST_HAPPENINGS) for kind in HAPPENINGS},
        "charts": drawn,
        "controls": evidenced(figures(asked, gathering, report, covered, now)),
        "most_chains": MOST_CHAINS,
        "writers": {(chain.writer or {}).get("process") for chain in report.chains},
    }
    return environment().get_template("page.html").render(said).lstrip()


def figures(asked: Asked, gathering: Gathering, report: Report, covered: Coverage, now: Now | None) -> Figures:
    """Return the figures that controls use."""
    ledger = gathering.ledger
    return Figures(
        report=report,
        trusted=bool(asked.roots),
        compared=bool(asked.against),
        coverage=covered,
        decisions=ledger.total("decision"),
        refused=ledger.total("decision", Verdict.DENIED),
        guard_refused=ledger.total("rule", PROTECTION),
        exempt=ledger.total("decision", Verdict.EXEMPT),
        broken_glass=ledger.total("break-glass"),
        exempt_without_code=ledger.total("exempt without code"),
        files=ledger.total("configuration", ACCEPTED),
        files_refused=ledger.total("configuration", REFUSED),
        closing_now=(now.of(CLOSED), now.due) if now else None,
    )


def environment() -> Environment:
    """Return templates that escape every value and print it by `words.shown`."""
    made = Environment(
        loader=PackageLoader("webhook.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(instant=instant, duration=duration)
    made.globals.update(counted=counted)
    return made
