"""`catflap report`: what an audit log comes to, as one page for an auditor."""

from datetime import datetime
from functools import partial
from pathlib import Path

import click

from webhook.audit.chain import pieces
from webhook.audit.entry import as_entry
from webhook.audit.keys import BadKey, read_public
from webhook.audit.query import Query
from webhook.audit.reading import Line, Unreadable
from webhook.audit.record import utc_now
from webhook.audit.sequence import Head
from webhook.audit.verify import Verifier, rewritten
from webhook.cli._evidence import MomentType, lenient_option, log_file, log_files
from webhook.cli._options import complain, load_policy
from webhook.cli._verifying import verified
from webhook.cli.audit import DAMAGED, key_file
from webhook.controller.registration import Endpoint, registration
from webhook.kube.api import Json
from webhook.model.names import DEFAULT_NAMESPACE, ENTRY_SUFFIX
from webhook.report.charts import NoCharts
from webhook.report.content import Asked, page
from webhook.report.figures import Figures
from webhook.report.granted import Entry, Granted
from webhook.report.page import html


@click.command("report")
@log_files
@click.option(
    "-c",
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The policy file: what it exempts, its exceptions, and which requests come to catflap.",
)
@click.option("--from", "begin", type=MomentType(), help="Count records from this time on.")
@click.option("--to", "end", type=MomentType(), help="Count records before this time (a date is its first moment).")
@click.option("--trust", type=key_file, multiple=True, metavar="ROOT.pub", help="As for audit verify.")
@click.option("--closed", is_flag=True, help="As for audit verify.")
@click.option("--against", type=log_file, multiple=True, metavar="FILE", help="As for audit verify.")
@lenient_option
@click.option("--cluster", default="", metavar="NAME", help="What the page calls the cluster.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    required=True,
    help="The page to write; - for standard output.",
)
def verb(  # noqa: PLR0917 (click calls it by name)
    files: tuple[str, ...],
    policy: Path | None,
    begin: datetime | None,
    end: datetime | None,
    trust: tuple[Path, ...],
    against: tuple[str, ...],
    cluster: str,
    output: str,
    closed: bool,
    lenient: bool,
) -> None:
    """Write a page for an auditor: what audit logs come to, whether they can be believed, and what they do not show.

    Files of one log come oldest first, compressed by gzip or not; `-` is standard input. The whole logs are verified, whatever
    part of them is counted. Ends with status 0 where the logs are sound, 1 where something is damaged (the page says what), 2
    where a file cannot be read.
    """
    granted = granted_by(policy) if policy is not None else None
    figures = Figures(Query(begin=begin, end=end))
    try:
        verifier = Verifier(roots=[read_public(path) for path in trust], closed=closed, lenient=lenient)
        report = verified(
            verifier, files, against, doing="reading", on_line=partial(count, figures=figures, lenient=lenient)
        )
    except (BadKey, Unreadable) as bad:
        complain([str(bad)])
    if not report.chains:
        complain([f"no record in {', '.join(files)}"])
    asked = Asked(
        cluster=cluster,
        files=files,
        against=against,
        trusted=bool(trust),
        closed=closed,
        period=spelled(begin, end),
        at=utc_now(),
    )
    try:
        written = html(page(asked, figures, report, granted))
        with click.open_file(output, "w", encoding="utf-8", atomic=True) as file:
            file.write(written)
    except (NoCharts, OSError) as bad:
        complain([str(bad)])
    raise SystemExit(0 if report.is_sound else DAMAGED)


def count(line: Line, heads: list[Head], *, figures: Figures, lenient: bool) -> None:
    """Count the records of a line that are what their hashes say; nearly always the line is one."""
    if len(heads) == 1 and (whole := as_entry(line.text)) is not None:
        figures.take(whole)
    elif heads:
        for piece in rewritten(line.text) if lenient else pieces(line.text):
            if piece.is_record and (entry := as_entry(piece.text)) is not None:
                figures.take(entry)


def granted_by(path: Path) -> Granted:
    """A policy file, and the webhook configurations that fit it, as the chart installs them."""
    loaded = load_policy(path)
    endpoint = Endpoint(ca_bundle="", namespace=DEFAULT_NAMESPACE, service="catflap")
    return Granted(
        name=path.name,
        loaded=loaded,
        entries=[entry_of(one) for whole in registration(loaded.policy, endpoint) for one in whole["webhooks"]],
    )


def entry_of(webhook: Json) -> Entry:
    """One entry, in words."""
    resources = dict.fromkeys(
        f"{'/'.join(part for part in (group, resource) if part)}"
        for rule in webhook["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    )
    operations = dict.fromkeys(operation for rule in webhook["rules"] for operation in rule["operations"])
    terms = {term["operator"] for term in webhook["namespaceSelector"].get("matchExpressions", ())}
    return Entry(
        name=webhook["name"].removesuffix(ENTRY_SUFFIX),
        resources=f"{', '.join(operations)} of {', '.join(resources)}",
        fails="refused" if webhook["failurePolicy"] == "Fail" else "let in",
        where="all but the exempt ones and catflap's own" if "NotIn" in terms else "catflap's own" if terms else "all",
        conditions=[one["name"] for one in webhook.get("matchConditions", ())],
    )


def spelled(begin: datetime | None, end: datetime | None) -> str:
    """The period that was asked for, in words."""
    words = [f"from {begin:%Y-%m-%d %H:%M} UTC" if begin else "", f"before {end:%Y-%m-%d %H:%M} UTC" if end else ""]
    return " ".join(word for word in words if word)
