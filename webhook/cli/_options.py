"""What several verbs are told, and how their words become values."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from webhook.audit.keys import BadKey, read_private
from webhook.config.faults import BadPolicy
from webhook.config.parse import Loaded, parse
from webhook.config.source import ConfigMapRef, parse_location
from webhook.model.fields import HIGHEST_PORT

BAD_INPUT = 2

Function = TypeVar("Function", bound=Callable[..., Any])


class AddressType(click.ParamType[tuple[str, int]]):
    """HOST:PORT; an IPv6 host in brackets, an empty one is every address."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """The host and the port."""
        if isinstance(value, tuple):
            return value
        host, colon, port = str(value).rpartition(":")
        if (
            not colon
            or not port.isdecimal()
            or int(port) > HIGHEST_PORT
            or (":" in host and host[0] + host[-1] != "[]")
        ):
            self.fail(f"{value!r}: write HOST:PORT, an IPv6 host in brackets", param, ctx)
        return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 (what an empty host says)


class LocationType(click.ParamType[Path | ConfigMapRef]):
    """A policy file, or the ConfigMap that holds it."""

    name = "FILE|configmap:NS/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | ConfigMapRef:
        """The path or the reference."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        try:
            return parse_location(value)
        except ValueError as bad:
            self.fail(str(bad), param, ctx)


def policy_file(function: Function) -> Function:
    """`-c/--policy FILE` of the offline verbs."""
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option("-c", "--policy", "policy", type=kind, required=True, help="The policy file.")(function)


def serving_options(function: Function) -> Function:
    """What `serve` and `controller` share."""
    options = (
        click.option("--policy", type=LocationType(), required=True, help="Where the policy file is."),
        click.option(
            "--status-listen", type=AddressType(), default="0.0.0.0:8080", show_default=True,
            help="Where /healthz, /readyz and /metrics are served, plain HTTP.",
        ),
        click.option(
            "--kubeconfig", type=click.Path(exists=True, dir_okay=False),
            help="How to reach the cluster; by default as the Pod's own ServiceAccount.",
        ),
        click.option("--audit-log", metavar="FILE", help="Append the audit records here instead of standard output."),
        click.option(
            "--audit-key", type=click.Path(path_type=Path), metavar="FILE",
            help="The audit root key, which vouches for the keys that sign the records (catflap audit keygen makes one).",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def check_audit_key(path: Path | None) -> None:
    """See that the audit root key can be read, before anything is made that needs it; a bad one ends the command."""
    try:
        if path is not None:
            read_private(path)
    except BadKey as bad:
        complain([str(bad)])


def load_policy(path: Path) -> Loaded:
    """The policy in a file; a bad one ends the command with every fault."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except BadPolicy as bad:
        complain(faults_of(str(path), bad))
    except (OSError, UnicodeDecodeError) as bad:
        complain([f"{path}: {bad}"])


def faults_of(name: str, bad: BadPolicy) -> list[str]:
    """Each fault of a policy file on a line that editors can jump to: FILE:LINE:COLUMN: PATH: what is wrong."""
    return [
        f"{name}:{fault.place.line}:{fault.place.column}: {fault}" if fault.place else f"{name}: {fault}"
        for fault in bad.faults
    ]


def complain(lines: list[str]) -> NoReturn:
    """End the command for bad input, with each fault on its line."""
    for line in lines:
        click.echo(f"catflap: {line}", err=True)
    raise SystemExit(BAD_INPUT)
