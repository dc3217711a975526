"""`catflap audit`: examine the audit log alone, without a cluster and without the process that wrote it."""

import json
from pathlib import Path

import click

from webhook.audit.keys import KEY_FILE, REMEDY, BadKeyError, read_public, write_pair
from webhook.audit.log_lines import UnreadableLogError
from webhook.audit.verify import Verifier
from webhook.cli._choices import WordChoice
from webhook.cli._command import VerbGroup
from webhook.cli._options import FILE, FILE_NAME, LOGS, check_files, check_stdin_once, exit_with_errors
from webhook.cli._query import LOG, export, query
from webhook.cli._verification import verify_logs
from webhook.cli._verification_output import as_json, show
from webhook.files import shown, unwritable

DAMAGED = 1
# What is expected in each file.
ROOT_KEY = f"{KEY_FILE.noun}; {REMEDY}"
DEFAULT_PREFIX = "audit"


@click.group("audit", cls=VerbGroup)
def verb() -> None:
    """Read audit logs: verify, query and export them, and create the audit root key."""


@verb.command("verify")
@click.argument("files", metavar="FILE...", type=LOGS, nargs=-1, required=True)
@click.option(
    "--trust",
    type=FILE,
    multiple=True,
    metavar="ROOT.pub",
    help="Require that this root key signed the key of each chain; may be repeated.",
)
@click.option("--closed", is_flag=True, help="Require a stop record at the end of each chain, to find a truncated end.")
@click.option(
    "--against",
    type=FILE_NAME,
    multiple=True,
    metavar="FILE",
    help="The audit log of the API server (JSON lines of audit.k8s.io/v1); repeat for each API server.",
)
@click.option("--lenient", is_flag=True, help="Accept copies in which a collector rewrote the JSON.")
@click.option("-o", "--output", type=WordChoice(["text", "json"]), default="text", show_default=True)
def verify(  # noqa: PLR0917 (click calls it by name)
    files: tuple[str, ...], trust: tuple[Path, ...], against: tuple[str, ...], closed: bool, lenient: bool, output: str
) -> None:
    """Verify audit logs: report each place where a log differs from what its writers wrote; `-` is standard input.

    Pass the files of one log in order, oldest first; they can be compressed with gzip. The exit code is 0 if every log is sound, 1 if a log is
    damaged, and 2 if a file cannot be read or the files contain no record.
    """
    check_stdin_once((*files, *against))
    check_files((trust, ROOT_KEY), (files, LOG), (against, LOG))
    try:
        verifier = Verifier(roots=[read_public(path) for path in trust], closed=closed, lenient=lenient)
        report = verify_logs(verifier, files, against, action="verifying")
    except (BadKeyError, UnreadableLogError) as bad:
        exit_with_errors([str(bad)])
    if output == "json":
        click.echo(json.dumps(as_json(report), indent=2))
    else:
        show(report, trusted=bool(trust))
    raise SystemExit(0 if report.is_sound else DAMAGED)


@verb.command("keygen")
@click.argument("prefix", default=DEFAULT_PREFIX, type=FILE_NAME, metavar="[PREFIX]")
def keygen(prefix: str) -> None:
    """Create an audit root key: PREFIX.key for `--audit-key`, which must stay secret, and PREFIX.pub for `audit verify --trust`."""
    if not Path(prefix).name or prefix.endswith("/"):
        exit_with_errors(
            [f"{shown(prefix)}: this is a folder; expected the beginning of a file name, such as {DEFAULT_PREFIX}"]
        )
    try:
        private, public = write_pair(prefix)
    except OSError as bad:
        exit_with_errors([unwritable(bad.filename, bad) if bad.filename else str(bad)])
    click.echo(f"{private}: the private key; keep it secret\n{public}: the public key; verifiers need it")


verb.add_command(query)
verb.add_command(export)
