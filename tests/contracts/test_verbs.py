"""The command line: one verb a file, each with help."""

from typing import Final

import click
import pytest
from click.testing import CliRunner

from tests.contracts.source import PACKAGE
from webhook.cli import main

VERBS: Final = sorted(path.stem for path in (PACKAGE / "cli").glob("*.py") if not path.stem.startswith("_"))


def helped(*arguments: str) -> str:
    """Return what the command prints for `--help`."""
    outcome = CliRunner().invoke(main, [*arguments, "--help"], prog_name="catflap")
    assert outcome.exit_code == 0
    return outcome.output


def test_the_help_lists_every_verb_with_a_sentence() -> None:
    """The verbs are exactly the modules, in order."""
    listed = helped().partition("\nCommands:\n")[2].splitlines()
    words = [line.split(maxsplit=1) for line in listed if line.startswith("  ") and not line.startswith("   ")]
    assert [word[0] for word in words] == VERBS
    assert all(len(word) == 2 for word in words)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_explains_itself_and_each_of_its_options(name: str) -> None:
    """Users do not read the source."""
    verb = main.get_command(click.Context(main), name)
    assert verb is not None
    assert verb.name == name
    assert verb.help
    bare = [
        one.name for one in verb.params if isinstance(one, click.Option) and not (one.help or one.type.name == "choice")
    ]
    assert bare == []
    assert f"Usage: catflap {name} " in helped(name)


@pytest.mark.parametrize("name", ["", "che", "_options", "serve.py", "nothing"])
def test_what_is_no_verb_is_refused_with_usage(name: str) -> None:
    """Status 2, as for any bad command line."""
    outcome = CliRunner().invoke(main, [name], prog_name="catflap")
    assert outcome.exit_code == 2
    assert f"No such command '{name}'" in outcome.output


def test_the_release_is_printed() -> None:
    """With the name and the number."""
    outcome = CliRunner().invoke(main, ["--version"], prog_name="catflap")
    assert outcome.exit_code == 0
    assert outcome.output.startswith("catflap, version ")
