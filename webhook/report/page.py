"""Make the page: all results as one HTML text that loads nothing and runs nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from msgspec import Struct

from webhook.admission.policy_protection import PROTECTION
from webhook.audit.verify import VerificationReport
from webhook.model.counting import counted
from webhook.model.decision import Verdict
from webhook.report import charts
from webhook.report.aggregator import ACCEPTED, REFUSED, Aggregator
from webhook.report.controls import Figures, control_evidence, open_time
from webhook.report.formatting import format_duration, format_time, to_text
from webhook.report.isolation_history import IsolationHistory, isolation_history
from webhook.report.namespace_states import EXEMPT, ISOLATED, OLDER, OPEN, NamespaceStates
from webhook.report.policy_summary import ExceptionSummary, Exclusion, WebhookSummary

MOST_ROWS: Final = 25
MOST_CHAINS: Final = 100
MOST_NAMESPACES: Final = 50
MOST_ENTRIES: Final = 100
COUNTS: Final = (
    "file", "type", "release", "policy", "decision", "exempt", "unjudged", "unavailable", "break-glass",
    "without code", "exempt without code",
    "waived", "rule", "namespace", "user", "refused", "warned", "audited", "written", "closure", "closure unguarded",
    "closure unchecked", "closure staged", "new pod",
)  # fmt: skip
TIMELINE_KINDS: Final = ("configuration", "start", "stop", "leader", "certificate")


class PolicySummary(Struct, frozen=True):
    """The content of a policy file, and the name that the command line gave it."""

    name: str
    digest: str
    left_out: tuple[Exclusion, ...]
    entries: tuple[WebhookSummary, ...]
    exceptions: tuple[ExceptionSummary, ...]


class ReportOptions(Struct, frozen=True):
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


def render_page(
    options: ReportOptions,
    gathering: Aggregator,
    report: VerificationReport,
    *,
    ruled: PolicySummary | None,
    namespace_states: NamespaceStates | None,
) -> str:
    """Return the whole page."""
    covered = isolation_history(gathering.counts.events(), MOST_NAMESPACES)
    series = gathering.refusals.series()
    tops = {kind: gathering.counts.top(kind, MOST_ROWS) for kind in COUNTS}
    drawn = {}
    if series:
        drawn["time"] = charts.time_chart(series, "Rejections over time by rule; the table below has the same figures.")
        drawn["rule"] = charts.ranking_chart(tops["rule"], "Rejections by rule; the table below has the same figures.")
        drawn["namespace"] = charts.ranking_chart(
            tops["namespace"], "Rejections by namespace; the table below has the same figures."
        )
    context: dict[str, Any] = {
        "asked": options,
        "gathering": gathering,
        "report": report,
        "ruled": ruled,
        "now": namespace_states,
        "states": {"closed": ISOLATED, "open": OPEN, "exempt": EXEMPT, "older": OLDER},
        "covered": covered,
        "without": open_time(covered),
        "series": series,
        "folded": series.folded(charts.MOST_SERIES),
        "top": tops,
        "happened": {kind: gathering.counts.entries(kind, MOST_ENTRIES) for kind in TIMELINE_KINDS},
        "charts": drawn,
        "controls": control_evidence(figures(options, gathering, report, covered, namespace_states)),
        "most_chains": MOST_CHAINS,
        "writers": {(chain.writer or {}).get("process") for chain in report.chains},
    }
    return template_environment().get_template("page.html").render(context).lstrip()


def figures(
    options: ReportOptions,
    gathering: Aggregator,
    report: VerificationReport,
    covered: IsolationHistory,
    namespace_states: NamespaceStates | None,
) -> Figures:
    """Return the figures that controls use."""
    ledger = gathering.counts
    return Figures(
        report=report,
        trusted=bool(options.roots),
        compared=bool(options.against),
        coverage=covered,
        decisions=ledger.total("decision"),
        refused=ledger.total("decision", Verdict.DENIED),
        guard_refused=ledger.total("rule", PROTECTION),
        exempt=ledger.total("decision", Verdict.EXEMPT),
        break_glass=ledger.total("break-glass"),
        exempt_without_code=ledger.total("exempt without code"),
        files=ledger.total("configuration", ACCEPTED),
        files_refused=ledger.total("configuration", REFUSED),
        isolated_now=(namespace_states.count(ISOLATED), namespace_states.expected_isolated)
        if namespace_states
        else None,
    )


def template_environment() -> Environment:
    """Return templates that escape every value and print it by `words.shown`."""
    environment = Environment(
        loader=PackageLoader("webhook.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=to_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(instant=format_time, duration=format_duration)
    environment.globals.update(counted=counted)
    return environment
