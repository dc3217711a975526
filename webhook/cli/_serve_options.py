"""The options of `serve` and `controller`: their addresses, their cluster, and the trusted senders of reviews."""

import errno
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import click

from webhook.audit.keys import BadKeyError, read_private
from webhook.bootstrap.sender_authentication import SenderAuthentication
from webhook.cli._names import LogFileName, is_host, is_port
from webhook.cli._options import FILE, FILE_NAME, Function, SingleOption, TextType, exit_with_errors
from webhook.config.source import ConfigMapRef, parse_location
from webhook.files import STDIN, reason
from webhook.server.accepted_tokens import BadTokenFile, read_token_file
from webhook.tls.certificate_folder import BadCertificateError
from webhook.tls.client_certificates import request_client_certificates

BIND_PROBLEMS: Final = {
    errno.EADDRINUSE: (
        "another program or another option of this command uses this port; choose another port, or stop that program"
    ),
    errno.EADDRNOTAVAIL: (
        "this machine does not have this address; use one of its addresses, or 0.0.0.0 for all addresses"
    ),
    errno.EACCES: "this user may not open ports below 1024; choose a higher port",
}


class AddressType(click.ParamType[tuple[str, int]]):
    """HOST:PORT; an IPv6 host has brackets, and an empty host means every address."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the host and the port."""
        if isinstance(value, tuple):
            return value
        host, colon, port = str(value).rpartition(":")
        has_brackets = host[:1] + host[-1:] == "[]"
        inner = host[1:-1] if has_brackets else host
        if not colon or not is_port(port, 0) or (":" in inner) != has_brackets or not (is_host(inner) or not host):
            self.fail(f"{value!r}: write HOST:PORT, such as 0.0.0.0:8443; write an IPv6 host in brackets", param, ctx)
        return inner or "0.0.0.0", int(port)  # noqa: S104 (what an empty host says)


def check_addresses(**addresses: tuple[str, int]) -> None:
    """End the command if it cannot listen on one of its addresses; each is given by the name of its option."""
    with ExitStack() as sockets:
        complain_of = [
            f"--{option.replace('_', '-')} {f'[{host}]' if ':' in host else host}:{port}: {problem}"
            for option, (host, port) in addresses.items()
            if (problem := bind_problem(host, port, sockets))
        ]
    if complain_of:
        exit_with_errors(complain_of)


def bind_problem(host: str, port: int, sockets: ExitStack) -> str:
    """Return why a program cannot listen on an address, or an empty text. The socket stays open in `sockets`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sockets.enter_context(socket.create_server(address[:2], family=family))
    except socket.gaierror:
        return "this host name is unknown; use an address of this machine, or 0.0.0.0 for all addresses"
    except OSError as bad:
        return BIND_PROBLEMS.get(bad.errno or 0, reason(bad))
    return ""


class PolicyLocationType(click.ParamType[Path | ConfigMapRef]):
    """A policy file, or the ConfigMap that contains it."""

    name = "FILE|configmap:NS/NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | ConfigMapRef:
        """Return the path or the reference."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        if value == STDIN:
            self.fail(
                "standard input does not change; pass a file, which catflap reads again after each change", param, ctx
            )
        try:
            return parse_location(FILE_NAME.convert(value, param, ctx))
        except ValueError as bad:
            self.fail(str(bad), param, ctx)


def serving_options(function: Function) -> Function:
    """Add the options that `serve` and `controller` share."""
    options = (
        click.option(
            "-c", "--policy", cls=SingleOption, type=PolicyLocationType(), required=True,
            help="The policy file, or the manifest of its ConfigMap.",
        ),
        click.option(
            "--status-listen", type=AddressType(), default="0.0.0.0:8080", show_default=True,
            help="The address of /healthz, /readyz and /metrics (plain HTTP).",
        ),
        click.option(
            "--kubeconfig", cls=SingleOption, type=FILE_NAME, metavar="FILE",
            help="The kubeconfig of the cluster; the default is the ServiceAccount of the Pod.",
        ),
        click.option("--context", cls=SingleOption, type=TextType(), metavar="NAME", help="The context in --kubeconfig; the default is "
                                                                   "its current context."),
        click.option("--audit-log", type=LogFileName(), metavar="FILE", help="Append the audit records to this file instead of "
                                                         "standard output."),
        click.option(
            "--audit-key", type=FILE, metavar="FILE",
            help="The audit root key, which signs the keys of the processes (catflap audit keygen creates one).",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def sender_options(function: Function) -> Function:
    """Add the options for the senders that `serve` accepts as the API server."""
    options = (
        click.option(
            "--client-ca", type=FILE, metavar="FILE",
            help="Accept reviews only from clients with a certificate of this CA; the API server needs such a "
                 "certificate (docs/security.md).",
        ),
        click.option(
            "--client-name", "client_names", type=TextType(), multiple=True, metavar="NAME",
            help="With --client-ca: accept only certificates with this common name or DNS name; may be repeated.",
        ),
        click.option(
            "--path-token-file", type=FILE, metavar="FILE",
            help="Accept reviews only at /validate/TOKEN and /mutate/TOKEN, with a token of this file (one per line).",
        ),
        click.option(
            "--secret-path/--no-secret-path", default=None,
            help="Accept reviews only at the paths in the Secret that the controller writes; default with a "
                 "cluster, unless --listen is a loopback address.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def sender_authentication(
    *,
    client_ca: Path | None,
    client_names: tuple[str, ...],
    token_file: Path | None,
    secret: bool | None,
    default: bool,
) -> SenderAuthentication:
    """Return what proves that a sender is the API server; `default` says whether the Secret counts without an option.

    Contradictory options end the command.
    """
    if client_names and client_ca is None:
        exit_with_errors(
            ["--client-name needs --client-ca, because a name counts only in a certificate that the CA signed"]
        )
    if client_ca is not None and (token_file is not None or secret):
        exit_with_errors(
            ["--client-ca excludes --path-token-file and --secret-path: the certificate is the stronger proof"]
        )
    if token_file is not None and secret is not None:
        exit_with_errors(["--path-token-file and --secret-path exclude each other"])
    try:
        if client_ca is not None:
            request_client_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), client_ca)
        if token_file is not None:
            read_token_file(token_file)
    except (BadCertificateError, BadTokenFile) as bad:
        exit_with_errors([str(bad)])
    usual = default and client_ca is None and token_file is None
    return SenderAuthentication(client_ca, client_names, token_file, secret=usual if secret is None else secret)


def check_audit_key(path: Path | None) -> None:
    """Check that the audit root key is readable before anything that needs it is made; a bad key ends the command."""
    try:
        if path is not None:
            read_private(path)
    except BadKeyError as bad:
        exit_with_errors([str(bad)])


def check_context(kubeconfig: str | None, context: str | None) -> None:
    """Check that a context belongs to a named kubeconfig: a Pod's own ServiceAccount has no contexts."""
    if context and not kubeconfig:
        exit_with_errors(["--context needs --kubeconfig, because the default is the ServiceAccount of the Pod"])
