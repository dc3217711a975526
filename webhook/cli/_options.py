"""What several verbs are told, and how their words become values.

An option has one name in every verb: -c/--policy, -n/--namespace, -o/--output, --kubeconfig, --context (tests/contracts/test_options.py).
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click

from webhook.config.enclosure import NotTextError, parse_file, text_of
from webhook.config.faults import BadPolicy, PolicyFault
from webhook.config.parse import Loaded
from webhook.model.fields import namespace_name
from webhook.model.names import DEFAULT_NAMESPACE

BAD_INPUT: Final = 2
STDIN: Final = Path("-")
POLICY_PATH: Final = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)

Function = TypeVar("Function", bound=Callable[..., Any])


class Renamed(click.Option):
    """An option that had other names before; these still count, and the help does not show them."""

    def __init__(self, *arguments: Any, former: tuple[str, ...], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._former = former
        self.opts = [*self.opts, *former]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The names and the help of the option."""
        known = self.opts
        self.opts = [name for name in known if name not in self._former]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = known


class NamespaceType(click.ParamType[str]):
    """The name of a namespace."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name."""
        try:
            return namespace_name(str(value))
        except ValueError as bad:
            self.fail(str(bad), param, ctx)


NAMESPACE: Final = NamespaceType()


def policy_option(
    *, required: bool, says: str = "The policy file, or the manifest of its ConfigMap; - is standard input."
) -> Callable[[Function], Function]:
    """`-c/--policy FILE` of the verbs that read a policy file once."""
    return click.option("-c", "--policy", "policy", type=POLICY_PATH, metavar="FILE", required=required, help=says)


policy_file = policy_option(required=True)


def own_namespace_option(*, says: str) -> Callable[[Function], Function]:
    """`--own-namespace NAME` of the verbs that judge manifests without a cluster."""
    return click.option("--own-namespace", type=NAMESPACE, default=DEFAULT_NAMESPACE, show_default=True, help=says)


def cluster_options(function: Function) -> Function:
    """`--kubeconfig` and `--context`."""
    options = (
        click.option("--kubeconfig", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="The kubeconfig; by default kubectl's."),
        click.option("--context", metavar="NAME", help="The context of the kubeconfig; by default its current one."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def load_policy(path: Path) -> Loaded:
    """The policy in a file, or in the manifest of its ConfigMap; a bad one ends the command with every fault."""
    try:
        return parse_file(read_text(path))
    except BadPolicy as bad:
        complain(faults_of(str(path), bad))
    except (OSError, NotTextError) as bad:
        complain([f"{path}: {why(bad)}"])


def read_text(path: Path) -> str:
    """The text of a file, or of standard input.  Raises OSError, NotTextError."""
    return text_of(sys.stdin.buffer.read() if path == STDIN else path.read_bytes())


def why(bad: OSError | NotTextError) -> str:
    """Why a file cannot be read."""
    return str(bad.strerror or bad).lower() if isinstance(bad, OSError) else str(bad)


def once(paths: Iterable[Path | str | None]) -> None:
    """End the command where standard input is named more than once, as it can be read once only."""
    if sum(str(path) == str(STDIN) for path in paths) > 1:
        complain(["-: standard input can be read once; name a file instead of one of the two"])


def faults_of(name: str, bad: BadPolicy) -> list[str]:
    """Each fault of a policy file on a line that editors can jump to: FILE:LINE:COLUMN: PATH: what is wrong."""
    return [f"{at(name, fault)}: {fault}" for fault in bad.faults]


def at(name: str, fault: PolicyFault) -> str:
    """Where a fault is: FILE:LINE:COLUMN."""
    return f"{name}:{fault.place.line}:{fault.place.column}" if fault.place else name


def complain(lines: list[str]) -> NoReturn:
    """End the command for bad input, with each fault on its line."""
    for line in lines:
        click.echo(f"catflap: {line}", err=True)
    raise SystemExit(BAD_INPUT)
