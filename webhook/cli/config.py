"""`catflap config`: examine the policy file alone, before it takes effect."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook.cli._options import BAD_INPUT, FILE, at, complain, faults_of, once, read_text
from webhook.cli._streams import say, warn
from webhook.config.default import DEFAULT_POLICY
from webhook.config.enclosure import parse_file
from webhook.config.faults import BadPolicy, NoPolicy
from webhook.config.parse import parse
from webhook.config.remarks import remarks_on
from webhook.config.schema import schema, spelled_out
from webhook.files import UnreadableFileError

FAULTY = 1


@click.group("config")
def verb() -> None:
    """Check a policy file, or print its defaults or its schema."""


@verb.command("check")
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
def check(files: tuple[Path, ...]) -> None:
    """Print every error of policy files, with line and column; `-` is standard input.

    FILE can also be the manifest of the ConfigMap that contains the policy file. Warnings about settings that have no effect are on standard
    error, and do not change the exit code. It is 0 if every file is valid, 1 if a file is invalid, and 2 if a file cannot be read or is empty.
    """
    once(files)
    status = 0
    for file in files:
        try:
            text = read_text(file)
        except UnreadableFileError as bad:
            warn(str(bad))
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
        for line in faults_of(name, bad):
            warn(line)
        return BAD_INPUT
    except BadPolicy as bad:
        for line in faults_of(name, bad):
            say(line)
        status = FAULTY
    for remark in remarks_on(text, datetime.now(UTC)):
        click.echo(f"{at(name, remark)}: warning: {remark}", err=True)
    return status


@verb.command("show")
@click.argument("file", type=FILE, required=False)
def show(file: Path | None) -> None:
    """Print a policy file with all its defaults and the description of each key.

    Without FILE: only the defaults.
    """
    try:
        loaded = parse(DEFAULT_POLICY) if file is None else parse_file(read_text(file))
    except BadPolicy as bad:
        complain(faults_of(str(file), bad))
    except UnreadableFileError as bad:
        complain([str(bad)])
    click.echo(spelled_out(loaded.policy), nl=False)


@verb.command("schema")
def schema_of_policy() -> None:
    """Print the JSON Schema of the policy file, for editors."""
    click.echo(json.dumps(schema(), indent=2))
