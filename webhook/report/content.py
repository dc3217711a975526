"""The page from the figures: what comes first, and the sections in their order."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from webhook import __version__
from webhook.audit.verify import Report
from webhook.guard.foretelling import counted
from webhook.model.decision import Verdict
from webhook.report.answers import decisions, refusals
from webhook.report.changes import changes
from webhook.report.controls import controls
from webhook.report.coverage import Coverage
from webhook.report.figures import Figures
from webhook.report.granted import Granted, exceptions, passed
from webhook.report.integrity import integrity
from webhook.report.section import Page, Section, Tile
from webhook.report.wording import MOST_ROWS, moment, seconds


class Asked(Struct, frozen=True):
    """What the report was asked to look at, and when."""

    cluster: str
    files: Sequence[str]
    against: Sequence[str]
    trusted: bool
    closed: bool
    period: str
    at: datetime


def page(asked: Asked, figures: Figures, report: Report, granted: Granted | None) -> Page:
    """The whole report.  Raises NoCharts."""
    coverage = Coverage(figures)
    return Page(
        title=f"Admission audit report: {asked.cluster}" if asked.cluster else "Admission audit report",
        verdict=verdict(report, figures),
        is_sound=report.is_sound,
        facts=[*facts(asked, figures, granted)],
        tiles=[*tiles(figures, coverage)],
        sections=[
            integrity(report, trusted=asked.trusted, closed=asked.closed),
            decisions(figures),
            refusals(figures),
            coverage.section(),
            passed(figures, granted),
            exceptions(figures, granted, asked.at),
            changes(figures, report),
            controls(figures, report, coverage.longest, trusted=asked.trusted, against=bool(asked.against)),
            what_it_is_not(),
        ],
    )


def verdict(report: Report, figures: Figures) -> str:
    """Whether the figures can be believed, in a sentence."""
    looked = f"{report.records:,} records in {counted(len(report.chains), 'chain')}"
    if report.is_sound:
        return f"The log is sound: {looked}, each as its writer wrote it and in its place."
    found = len(report.findings) + report.untold
    used = f"The figures below count the {figures.records:,} records that are what their hashes say."
    return f"THE LOG IS DAMAGED: {counted(found, 'finding')} in {looked}. {used}"


def facts(asked: Asked, figures: Figures, granted: Granted | None) -> Iterator[tuple[str, str]]:
    """What the report rests on."""
    yield "Period", asked.period or "all that the logs hold"
    yield (
        "Records from",
        f"{moment(figures.first)} to {moment(figures.last)} UTC" if figures.first else "none in this period",
    )
    if figures.timeless:
        yield "Not counted", f"{counted(figures.timeless, 'record')} whose time is none"
    yield "Logs", ", ".join(asked.files)
    yield "Compared with", ", ".join(asked.against) or "no log of the API server (--against)"
    yield "Policy file", granted.said if granted else "not given (-c); what it exempts is known from the log alone"
    yield "Written by", ", ".join(f"catflap {name}" for name, _ in figures.releases.ranked(MOST_ROWS).named) or "-"
    yield "Report made", f"{asked.at:%Y-%m-%d %H:%M:%S} UTC by catflap {__version__}"


def tiles(figures: Figures, coverage: "Coverage") -> Iterator[Tile]:
    """The figures that are asked for first."""
    count = figures.decisions
    yield Tile(f"{figures.records:,}", "records")
    yield Tile(f"{count.total():,}", "answers to the API server")
    yield Tile(f"{count[Verdict.DENIED]:,}", "refused by a rule")
    undecided = count[Verdict.UNAVAILABLE]
    yield Tile(f"{undecided:,}", "refused as undecided", "note" if undecided else "")
    yield Tile(f"{count[Verdict.EXEMPT]:,}", "passed as exempt")
    yield Tile(f"{len(coverage.closed):,}", "namespaces closed on record", "good")
    beside = f", {coverage.unexplained:,} not known" if coverage.unexplained else ""
    yield Tile(seconds(coverage.longest), f"longest time without a policy{beside}", "note" if beside else "")
    yield Tile(f"{coverage.restored:,}", "policies put back", "note" if coverage.restored else "")


def what_it_is_not() -> Section:
    """What no figure above says."""
    return Section(
        "limits",
        "What this report does not show",
        [
            (
                "It rests on records of catflap's own. Requests that never came to catflap are in none of them: those that match conditions and "
                "exempt namespaces keep away (section 5), and those that the API server let pass while nobody answered, for entries that "
                "fail open. Comparing with the API server's audit log (--against) finds both."
            ),
            (
                "From which address and with which program somebody asked is not in an admission request; the API server's audit log has it, "
                "and bears the annotations record-chain and record-seq to find it by."
            ),
            "Times are those of the machines that wrote. Nothing here measures packets.",
        ],
    )
