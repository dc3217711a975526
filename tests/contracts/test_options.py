"""An option has one name, one letter and one meaning in every verb."""

from collections.abc import Iterator
from typing import Final

import click
import pytest
from click.testing import CliRunner

from webhook.cli import main
from webhook.cli._command import Verb, VerbGroup
from webhook.cli._options import NAMESPACE

# The long name of each option that has a letter, everywhere; --help has one in all.
LETTERS: Final = {"-c": "--policy", "-n": "--namespace", "-o": "--output", "-y": "--yes"}
# Options with another name in an earlier release, by verb.
FORMER: Final = {"check": ("--format", "text"), "audit export": ("--format", "csv")}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield each verb, and each verb inside a verb, by what a user types."""
    context = click.Context(main)
    for name in main.list_commands(context):
        verb = main.get_command(context, name)
        assert verb is not None
        yield name, verb
        if isinstance(verb, click.Group):
            yield from ((f"{name} {inner}", one) for inner, one in verb.commands.items())


COMMANDS: Final = dict(commands())
OPTIONS: Final = [
    pytest.param(name, option, id=f"{name} {option.opts[-1]}")
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option)
]


def names(command: click.Command) -> set[str]:
    """Return each name of each option of a verb."""
    return {name for option in command.params if isinstance(option, click.Option) for name in option.opts}


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_a_letter_and_its_long_name_go_together(name: str, option: click.Option) -> None:
    """Options mean the same in all verbs."""
    for letter, long in LETTERS.items():
        assert (letter in option.opts) == (long in option.opts), name
    assert {one for one in option.opts if not one.startswith("--")} <= LETTERS.keys()


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_a_namespace_is_validated(name: str, option: click.Option) -> None:
    """In every verb alike, and not only where something breaks without it; of audit logs it is a pattern."""
    if option.name in {"namespace", "own_namespace"} or "--namespace" in option.opts:
        assert option.type is NAMESPACE or name == "audit query"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_cluster_is_named_by_two_options(name: str) -> None:
    """As in kubectl."""
    found = names(COMMANDS[name])
    assert ("--kubeconfig" in found) == ("--context" in found)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_reports_all_wrong_options_at_once(name: str) -> None:
    """A user repairs the command line in one step."""
    assert isinstance(COMMANDS[name], Verb | VerbGroup)


@pytest.mark.parametrize("name", FORMER)
def test_a_former_name_counts_and_is_not_shown(name: str) -> None:
    """Existing scripts still work, and new ones do not use the old name."""
    former, value = FORMER[name]
    outcome = CliRunner().invoke(main, [*name.split(), "--help"])
    assert former not in outcome.output
    assert "-o, --output" in outcome.output
    answer = CliRunner().invoke(main, [*name.split(), former, value, "nothing"]).output
    assert "No such option" not in answer
    answer = CliRunner().invoke(main, [*name.split(), former, "no-such-form", "nothing"]).output
    assert "'no-such-form' is not one of" in answer


@pytest.mark.parametrize("name", [name for name, one in COMMANDS.items() if "--policy" in names(one)])
def test_every_verb_with_a_policy_file_says_which_forms_it_may_have(name: str) -> None:
    """As a file, or as the manifest of its ConfigMap."""
    option = next(one for one in COMMANDS[name].params if one.name == "policy")
    assert isinstance(option, click.Option)
    assert "ConfigMap" in f"{option.help}{option.type.name}"
