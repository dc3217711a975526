"""`catflap report`: write what audit logs say as one page for an auditor."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from webhook import __version__
from webhook.audit.chain import pieces
from webhook.audit.copies import rewritten
from webhook.audit.entry import as_entry
from webhook.audit.keys import BadKey, read_public
from webhook.audit.reading import Line, Unreadable
from webhook.audit.record import stamp
from webhook.audit.sequence import Head
from webhook.audit.verify import Report, Verifier
from webhook.cli._asking import in_order
from webhook.cli._clusters import in_words
from webhook.cli._evidence import MomentType, lenient_option, log_files
from webhook.cli._options import FILE, FILE_NAME, Function, cluster_options, complain, load_policy, once, policy_option
from webhook.cli._streams import warn
from webhook.cli._verifying import verified
from webhook.cli.audit import DAMAGED
from webhook.config.parse import Loaded
from webhook.controller.webhook_configurations import Endpoint, webhook_configurations
from webhook.files import unwritable
from webhook.kube.api import ApiError, NoClusterError, connect_as_kubectl
from webhook.kube.webhook_configurations import find_own_namespace
from webhook.model.counting import counted
from webhook.model.decision import Verdict
from webhook.model.names import DEFAULT_NAMESPACE
from webhook.report.cluster import Now, look
from webhook.report.gathering import Gathering
from webhook.report.page import Asked, Ruled, page
from webhook.report.ruled import entries, exceptions, left_out


def verification(function: Function) -> Function:
    """Add the options of `audit verify`."""
    options = (
        click.option("--trust", type=FILE, multiple=True, metavar="ROOT.pub", help="Require that this root key "
                                                                                   "signed the key of each chain; "
                                                                                   "may be repeated."),
        click.option("--against", type=FILE_NAME, multiple=True, metavar="FILE", help="The audit log of the API "
                                                                                      "server; repeat for each API "
                                                                                      "server."),
        click.option("--closed", is_flag=True, help="Require a stop record at the end of each chain."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def naming(function: Function) -> Function:
    """Add the options for what only the preparer knows, which the first page shows."""
    options = (
        click.option("--cluster-name", default="", metavar="TEXT", help="The name of the cluster, for the first page."),
        click.option("--scope", default="", metavar="TEXT", help="What the report is about, such as an audit and its period, for the first page."),
        click.option("--prepared-by", default="", metavar="TEXT", help="The author of the report, for the first page."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@click.command("report")
@log_files
@policy_option(
    required=False,
    says="The policy file, or the manifest of its ConfigMap. The report lists its exceptions and exemptions.",
)
@click.option("--from", "begin", type=MomentType(), help="From this time on (a date means 00:00 UTC).")
@click.option("--to", "end", type=MomentType(), help="Before this time (a date means 00:00 UTC).")
@verification
@lenient_option
@click.option("--cluster", is_flag=True, help="Read the current state of the current cluster of kubectl.")
@cluster_options
@naming
@click.option(
    "-o",
    "--output",
    type=FILE_NAME,
    required=True,
    metavar="FILE",
    help="The file to write; - means standard output.",
)
def verb(  # noqa: PLR0917 (click calls it by name)
    files: tuple[str, ...],
    policy: Path | None,
    begin: datetime | None,
    end: datetime | None,
    trust: tuple[Path, ...],
    against: tuple[str, ...],
    closed: bool,
    lenient: bool,
    cluster: bool,
    kubeconfig: str | None,
    context: str | None,
    cluster_name: str,
    scope: str,
    prepared_by: str,
    output: str,
) -> None:
    """Write audit logs as one HTML page for an auditor; the page loads nothing and runs no scripts; `-` is standard input.

    Pass the files of one log in order, oldest first; they can be compressed with gzip. The exit code is that of `audit verify`: 0 if every log is sound, 1 if a
    log is damaged (the page states this at the top), and 2 if something cannot be read.
    """
    in_order(begin, end)
    once((policy, *files, *against))
    spared(output, (*files, *against, *map(str, trust), str(policy or "")))
    loaded = load_policy(policy) if policy else None
    asked = Asked(
        files=files, against=against, roots=[str(path) for path in trust],
        begin=stamp(begin) if begin else "", end=stamp(end) if end else "",
        closed=closed, lenient=lenient, release=__version__, made=datetime.now(UTC),
        cluster=cluster_name, scope=scope, preparer=prepared_by,
    )  # fmt: skip
    try:
        now = standing(loaded, kubeconfig, context) if cluster or kubeconfig or context else None
        gathering = Gathering(begin=asked.begin, end=asked.end)
        verifier = Verifier(roots=[read_public(path) for path in trust], closed=closed, lenient=lenient)
        found = verified(
            verifier, files, against, doing="reading", on_line=partial(count, gathering=gathering, lenient=lenient)
        )
    except (ApiError, BadKey, NoClusterError, Unreadable) as bad:
        complain([in_words(bad)])
    ruled = ruled_by(loaded, str(policy), asked.made) if loaded else None
    write(output, page(asked, gathering, found, ruled=ruled, now=now))
    warn(f"{'' if output == '-' else f'{output}: '}{summary(found, gathering)}")
    raise SystemExit(0 if found.is_sound else DAMAGED)


def spared(output: str, inputs: Iterable[str]) -> None:
    """Refuse to write the page over one of its input files."""
    page_file = Path(output)
    if output != "-" and page_file.exists():
        for one in inputs:
            if one and Path(one).exists() and page_file.samefile(one):
                complain([f"{output}: the report reads this file and cannot overwrite it; choose another --output"])


def count(line: Line, heads: list[Head], *, gathering: Gathering, lenient: bool) -> None:
    """Gather the records of a line that match their hashes; nearly always the line is one record."""
    if len(heads) == 1 and (whole := as_entry(line.text)) is not None:
        gathering.take(whole, line.file)
    elif heads:
        for piece in rewritten(line.text) if lenient else pieces(line.text):
            if piece.is_record and (entry := as_entry(piece.text)) is not None:
                gathering.take(entry, line.file)


def summary(found: Report, gathering: Gathering) -> str:
    """Return the page's summary in one line, for a terminal."""
    damage = f"DAMAGED, {counted(len(found.findings) + found.untold, 'finding')}"
    total = gathering.ledger.total
    figures = (
        f"{counted(found.records, 'record')} in {counted(len(found.chains), 'chain')}",
        f"{counted(total('decision'), 'request')} decided",
        f"{total('decision', Verdict.DENIED):,} rejected",
        f"{total('decision', Verdict.EXEMPT):,} exempt",
    )
    return f"the log is {'sound' if found.is_sound else damage}; {', '.join(figures)}"


def ruled_by(loaded: Loaded, name: str, at: datetime) -> Ruled:
    """Return what a policy file excludes from the guard, and the webhook configurations that fit it."""
    configurations = webhook_configurations(loaded.policy, Endpoint(ca_bundle="", namespace=DEFAULT_NAMESPACE))
    return Ruled(
        name,
        loaded.digest,
        tuple(left_out(loaded.policy)),
        tuple(entries(configurations)),
        tuple(exceptions(loaded.policy, at)),
    )


def standing(loaded: Loaded | None, kubeconfig: str | None, context: str | None) -> Now:
    """Return the current state of the cluster's namespaces.  Raises NoCluster, ApiError."""
    api = connect_as_kubectl(kubeconfig, context)
    return look(api, loaded.policy if loaded else None, own_namespace=find_own_namespace(api))


def write(output: str, text: str) -> None:
    """Write the page atomically; write to a device or a pipe directly, without replacing it by a file."""
    place = Path(output)
    try:
        with click.open_file(output, "w", encoding="utf-8", atomic=place.is_file() or not place.exists()) as file:
            file.write(text)
    except OSError as bad:
        complain([f"--output {unwritable(output, bad)}"])
