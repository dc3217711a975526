"""`catflap config`: examine the policy file alone, before it takes effect."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook.cli._command import VerbGroup
from webhook.cli._migrating import rewrite
from webhook.cli._options import (
    BAD_INPUT,
    FILE,
    check_stdin_once,
    fault_lines,
    load_policy,
    print_warnings,
    read_text,
)
from webhook.cli._streams import print_line, print_warning
from webhook.config.default import DEFAULT_POLICY
from webhook.config.enclosure import parse_file
from webhook.config.faults import BadPolicy, NoPolicy
from webhook.config.json_schema import schema, spelled_out
from webhook.config.parse import parse
from webhook.config.remarks import remarks_on
from webhook.files import UnreadableFileError

FAULTY = 1


@click.group("config", cls=VerbGroup)
def verb() -> None:
    """Check a policy file, or print its defaults or its schema."""


@verb.command("check")
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
def check(files: tuple[Path, ...]) -> None:
    """Print every error of policy files, with line and column; `-` is standard input.

    FILE can also be the manifest of the ConfigMap that contains the policy file. Warnings about settings that have no effect are on standard
    error, and do not change the exit code. It is 0 if every file is valid, 1 if a file is invalid, and 2 if a file cannot be read or is empty.
    """
    check_stdin_once(files)
    status = 0
    for file in files:
        try:
            text = read_text(file)
        except UnreadableFileError as bad:
            print_warning(str(bad))
            status = BAD_INPUT
        else:
            status = max(status, checked(str(file), text))
    raise SystemExit(status)


def checked(name: str, text: str) -> int:
    """Print the faults of one file, and the settings without effect; return the exit code for the file."""
    status = 0
    try:
        parse_file(text)
    except NoPolicy as bad:
        for line in fault_lines(name, bad):
            print_warning(line)
        return BAD_INPUT
    except BadPolicy as bad:
        for line in fault_lines(name, bad):
            print_line(line)
        status = FAULTY
    print_warnings(name, remarks_on(text, datetime.now(UTC)))
    return status


@verb.command("migrate")
@click.argument("file", type=FILE)
@click.option("--diff", "is_diff", is_flag=True, help="Print the changes as a unified diff, and change nothing.")
def migrate(file: Path, *, is_diff: bool) -> None:
    """Rewrite the keys of earlier releases in a policy file.

    FILE may also be the manifest of the ConfigMap, or values of the Helm chart. It is rewritten in place, and `-` prints standard input with the
    current keys. All else in it stays. Standard error lists each change. A file with errors is not changed, and the exit code is 2.
    """
    rewrite(file, is_diff=is_diff)


@verb.command("show")
@click.argument("file", type=FILE, required=False)
def show(file: Path | None) -> None:
    """Print a policy file with all its defaults and the description of each key.

    Without FILE: only the defaults.
    """
    loaded = parse(DEFAULT_POLICY) if file is None else load_policy(file)
    click.echo(spelled_out(loaded.policy), nl=False)


@verb.command("schema")
def schema_of_policy() -> None:
    """Print the JSON Schema of the policy file, for editors."""
    click.echo(json.dumps(schema(), indent=2))
