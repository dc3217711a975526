"""`catflap config`: the policy file by itself, before it counts."""

import json

import click

from webhook.cli._options import complain, faults_of
from webhook.config.default import DEFAULT_POLICY
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.config.schema import schema, spelled_out
from webhook.review import splitting

FAULTY = 1

policy_text = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.group("config")
def verb() -> None:
    """Look at a policy file: its faults, its defaults, its schema."""


@verb.command("check")
@click.argument("files", metavar="FILE...", type=policy_text, nargs=-1, required=True)
def check(files: tuple[str, ...]) -> None:
    """Say every fault of policy files, each with its line and column; `-` is standard input.

    The exit code is 0 where all are sound, 1 where one has faults, 2 where one cannot be read.
    """
    lines = [line for name in files for line in faults_in(name)]
    for line in lines:
        click.echo(line)
    raise SystemExit(FAULTY if lines else 0)


@verb.command("show")
@click.argument("file", type=policy_text, required=False)
def show(file: str | None) -> None:
    """Print a policy file with every key that it leaves to its default, each with its meaning.

    Without FILE: the defaults alone.
    """
    try:
        loaded = parse(DEFAULT_POLICY if file is None else text_of(file))
    except BadPolicy as bad:
        complain(faults_of(file or "", bad))
    click.echo(spelled_out(loaded.policy), nl=False)


@verb.command("schema")
def schema_of_policy() -> None:
    """Print the JSON Schema of the policy file, for editors."""
    click.echo(json.dumps(schema(), indent=2))


def faults_in(name: str) -> list[str]:
    """The faults of one file, a line each."""
    try:
        parse(text_of(name))
    except BadPolicy as bad:
        return faults_of(name, bad)
    return []


def text_of(name: str) -> str:
    """A file's text; one that is no text ends the command."""
    try:
        with click.open_file(name, "rb") as opened:
            return splitting.text_of(opened.read(), "strict")
    except (OSError, UnicodeDecodeError, splitting.BadTextError) as bad:
        complain([f"{name}: {bad}"])
