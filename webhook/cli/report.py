"""`catflap report`: write what audit logs say as one page for an auditor."""

import errno
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from webhook import __version__
from webhook.audit.chain import split_line
from webhook.audit.chain_verifier import ChainRecord
from webhook.audit.collector_copies import split_copied_line
from webhook.audit.keys import BadKeyError, read_public
from webhook.audit.log_entry import parse_entry
from webhook.audit.log_lines import LogLine, UnreadableLogError
from webhook.audit.record import timestamp
from webhook.audit.verify import VerificationReport, Verifier
from webhook.cli._choices import check_time_range
from webhook.cli._cluster_errors import describe
from webhook.cli._command import Verb
from webhook.cli._options import (
    FILE,
    FILE_NAME,
    FileName,
    Function,
    SingleOption,
    check_files,
    check_stdin_once,
    cluster_options,
    exit_with_errors,
    load_policy,
    policy_option,
)
from webhook.cli._query import LOG, TimeType, lenient_option, log_files
from webhook.cli._streams import print_warning
from webhook.cli._verification import verify_logs
from webhook.cli.audit import DAMAGED, ROOT_KEY
from webhook.config.enclosure import POLICY_FILE
from webhook.config.parse import Loaded
from webhook.controller.webhook_configurations import Endpoint, webhook_configurations
from webhook.files import STDIN, unwritable
from webhook.kube.api import ApiError, NoClusterError, connect_as_kubectl
from webhook.kube.webhook_configurations import find_own_namespace
from webhook.model.counting import counted
from webhook.model.decision import Verdict
from webhook.model.names import DEFAULT_NAMESPACE
from webhook.report.aggregator import Aggregator
from webhook.report.namespace_states import NamespaceStates, read_namespace_states
from webhook.report.page import PolicySummary, ReportOptions, render_page
from webhook.report.policy_summary import exception_summaries, exclusions, webhook_summaries


def verification_options(function: Function) -> Function:
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


def naming_options(function: Function) -> Function:
    """Add the options for what only the preparer knows, which the first page shows."""
    options = (
        click.option("--cluster-name", default="", metavar="TEXT", help="The name of the cluster, for the first page."),
        click.option("--scope", default="", metavar="TEXT", help="What the report is about, such as an audit and its period, for the first page."),
        click.option("--prepared-by", default="", metavar="TEXT", help="The author of the report, for the first page."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


@click.command("report", cls=Verb)
@log_files
@policy_option(
    required=False,
    help_text="The policy file, or the manifest of its ConfigMap. The report lists its exceptions and exemptions.",
)
@click.option("--from", "begin", cls=SingleOption, type=TimeType(), help="From this time on (a date means 00:00 UTC).")
@click.option("--to", "end", cls=SingleOption, type=TimeType(), help="Before this time (a date means 00:00 UTC).")
@verification_options
@lenient_option
@click.option("--cluster", is_flag=True, help="Read the current state of the current cluster of kubectl.")
@cluster_options
@naming_options
@click.option(
    "-o",
    "--output",
    cls=SingleOption,
    type=FileName("Pass the file for the page, such as report.html, or - for standard output."),
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
    check_time_range(begin, end)
    check_stdin_once((policy, *files, *against))
    check_output(output, (*files, *against, *map(str, trust), str(policy or "")))
    check_files(([policy] if policy else [], POLICY_FILE.noun), (trust, ROOT_KEY), (files, LOG), (against, LOG))
    loaded = load_policy(policy) if policy else None
    options = ReportOptions(
        files=files, against=against, roots=[str(path) for path in trust],
        begin=timestamp(begin) if begin else "", end=timestamp(end) if end else "",
        closed=closed, lenient=lenient, release=__version__, made=datetime.now(UTC),
        cluster=cluster_name, scope=scope, preparer=prepared_by,
    )  # fmt: skip
    try:
        namespace_states = read_cluster_state(loaded, kubeconfig, context) if cluster or kubeconfig or context else None
        gathering = Aggregator(begin=options.begin, end=options.end)
        verifier = Verifier(roots=[read_public(path) for path in trust], closed=closed, lenient=lenient)
        found = verify_logs(
            verifier, files, against, action="reading", on_line=partial(add_line, gathering=gathering, lenient=lenient)
        )
    except (ApiError, BadKeyError, NoClusterError, UnreadableLogError) as bad:
        exit_with_errors([describe(bad)])
    ruled = summarize_policy(loaded, str(policy), options.made) if loaded else None
    write_output(output, render_page(options, gathering, found, ruled=ruled, namespace_states=namespace_states))
    print_warning(f"{'' if output == '-' else f'{output}: '}{summary(found, gathering)}")
    raise SystemExit(0 if found.is_sound else DAMAGED)


def check_output(output: str, inputs: Iterable[str]) -> None:
    """End the command before it reads if the page cannot be written, or would overwrite one of its input files."""
    if output == STDIN:
        return
    page_file = Path(output)
    try:
        if page_file.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not page_file.exists():
            page_file.parent.stat()
            return
        same = [one for one in inputs if os.path.exists(one) and page_file.samefile(one)]  # noqa: PTH110 (it raises nothing)
    except OSError as bad:
        exit_with_errors([f"--output {unwritable(output, bad)}"])
    if same:
        exit_with_errors([f"{output}: the report reads this file and cannot overwrite it; choose another --output"])


def add_line(line: LogLine, heads: list[ChainRecord], *, gathering: Aggregator, lenient: bool) -> None:
    """Gather the records of a line that match their hashes; nearly always the line is one record."""
    if len(heads) == 1 and (whole := parse_entry(line.text)) is not None:
        gathering.add(whole, line.file)
    elif heads:
        for piece in split_copied_line(line.text) if lenient else split_line(line.text):
            if piece.is_record and (entry := parse_entry(piece.text)) is not None:
                gathering.add(entry, line.file)


def summary(found: VerificationReport, gathering: Aggregator) -> str:
    """Return the page's summary in one line, for a terminal."""
    damage = f"DAMAGED, {counted(len(found.findings) + found.omitted, 'finding')}"
    total = gathering.counts.total
    figures = (
        f"{counted(found.records, 'record')} in {counted(len(found.chains), 'chain')}",
        f"{counted(total('decision'), 'request')} decided",
        f"{total('decision', Verdict.DENIED):,} rejected",
        f"{total('decision', Verdict.EXEMPT):,} exempt",
    )
    return f"the log is {'sound' if found.is_sound else damage}; {', '.join(figures)}"


def summarize_policy(loaded: Loaded, name: str, at: datetime) -> PolicySummary:
    """Return what a policy file excludes from the guard, and the webhook configurations that fit it."""
    configurations = webhook_configurations(loaded.policy, Endpoint(ca_bundle="", namespace=DEFAULT_NAMESPACE))
    return PolicySummary(
        name,
        loaded.digest,
        tuple(exclusions(loaded.policy)),
        tuple(webhook_summaries(configurations)),
        tuple(exception_summaries(loaded.policy, at)),
    )


def read_cluster_state(loaded: Loaded | None, kubeconfig: str | None, context: str | None) -> NamespaceStates:
    """Return the current state of the cluster's namespaces.  Raises NoCluster, ApiError."""
    api = connect_as_kubectl(kubeconfig, context)
    return read_namespace_states(api, loaded.policy if loaded else None, own_namespace=find_own_namespace(api))


def write_output(output: str, text: str) -> None:
    """Write the page atomically; write to a device or a pipe directly, without replacing it by a file."""
    place = Path(output)
    try:
        with click.open_file(output, "w", encoding="utf-8", atomic=place.is_file() or not place.exists()) as file:
            file.write(text)
    except OSError as bad:
        exit_with_errors([f"--output {unwritable(output, bad)}"])
