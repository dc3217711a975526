"""`catflap serve`: run the webhook server."""

import base64
import ipaddress
from datetime import UTC, datetime
from pathlib import Path

import click

from webhook.audit.log_config import LogConfig
from webhook.bootstrap.logging_setup import log_to_stderr
from webhook.bootstrap.parts import BindAddress, ProcessOptions
from webhook.bootstrap.server import run_server
from webhook.cli._audit_options import audit_log_options
from webhook.cli._choices import WordChoice
from webhook.cli._command import Verb
from webhook.cli._names import HostType
from webhook.cli._options import FILE, check_policy, exit_with_errors
from webhook.cli._serve_options import (
    AddressType,
    check_addresses,
    check_audit_key,
    check_context,
    sender_authentication,
    sender_options,
    serving_options,
)
from webhook.config.source import ConfigMapRef
from webhook.files import reason, sentence, shown
from webhook.kube.api import NoClusterError, connect
from webhook.tls.certificate_folder import BadCertificateError, TlsFolder, check_names, ensure_certificate


@click.command("serve", cls=Verb)
@serving_options
@audit_log_options
@click.option(
    "--listen",
    type=AddressType(),
    default="0.0.0.0:8443",
    show_default=True,
    help="The address for reviews.",
)
@click.option(
    "--tls-dir",
    type=FILE,
    required=True,
    help="The folder of tls.crt and tls.key; if both are missing, catflap writes a new CA and a new pair to it.",
)
@click.option(
    "--tls-name",
    type=HostType(),
    multiple=True,
    metavar="HOST",
    help="Another name or address for the certificate; may be repeated.",
)
@sender_options
@click.option("--standalone", is_flag=True, help="Serve without a cluster; checks that need a cluster are skipped.")
@click.option(
    "--worker", type=WordChoice(["asgi", "gthread"]), default="asgi", show_default=True,
    help="The kind of server: asgi also answers on an event loop; gthread uses only Flask.",
)  # fmt: skip
@click.option("--verbose", is_flag=True, help="Write more log messages to standard error.")
def verb(  # noqa: PLR0917 (click calls it by name)
    policy: Path | ConfigMapRef,
    status_listen: tuple[str, int],
    kubeconfig: str | None,
    context: str | None,
    audit_log: str | None,
    audit_key: Path | None,
    log_config: LogConfig,
    listen: tuple[str, int],
    tls_dir: Path,
    tls_name: tuple[str, ...],
    client_ca: Path | None,
    client_names: tuple[str, ...],
    path_token_file: Path | None,
    secret_path: bool | None,
    standalone: bool,
    worker: str,
    verbose: bool,
) -> None:
    """Answer admission reviews over HTTPS at /validate and /mutate.

    The exit code is 2 for an invalid policy file, certificate, audit key or kubeconfig.
    """
    log_to_stderr(verbose=verbose)
    check_audit_key(audit_key)
    if standalone and (kubeconfig or context):
        exit_with_errors(["--standalone excludes --kubeconfig and --context"])
    if isinstance(policy, Path):
        check_policy(policy)
    elif standalone:
        exit_with_errors(["--policy configmap:… needs a cluster; with --standalone, pass a file"])
    if standalone and secret_path:
        exit_with_errors([("--secret-path needs a cluster with the Secret; with --standalone, pass --path-token-file")])
    trusted = sender_authentication(
        client_ca=client_ca,
        client_names=client_names,
        token_file=path_token_file,
        secret=secret_path,
        default=not (standalone or is_loopback(listen[0])),
    )
    common = ProcessOptions(
        policy,
        BindAddress(*status_listen),
        kubeconfig=kubeconfig,
        audit_log=audit_log,
        audit_key=audit_key,
        log_config=log_config,
        context=context,
    )
    if not standalone:
        check_cluster(kubeconfig, context)
    folder = tls_folder(tls_dir)
    try:
        ensure_certificate(folder, certificate_hosts(listen[0], tls_name, common.own_namespace), datetime.now(UTC))
        check_names(folder, tls_name)
    except BadCertificateError as bad:
        exit_with_errors([str(bad)])
    print_authority(folder)
    check_addresses(listen=listen, status_listen=status_listen)
    run_server(common, BindAddress(*listen), tls=folder, worker=worker, standalone=standalone, trust=trusted)


def print_authority(folder: TlsFolder) -> None:
    """Print the CA of the certificates in the form of a webhook configuration, if catflap issued them."""
    if folder.authority.exists():
        bundle = base64.b64encode(folder.authority.read_bytes()).decode("ascii")
        click.echo(f"caBundle: {bundle}", err=True)


def tls_folder(path: Path) -> TlsFolder:
    """Return the folder of the certificates, which may be missing; a file in its place ends the command."""
    try:
        if path.exists() and not path.is_dir():
            exit_with_errors([f"--tls-dir {shown(path)}: this is a file; expected a folder"])
    except OSError as bad:
        exit_with_errors([f"--tls-dir {sentence(shown(path), reason(bad), 'a folder')}"])
    return TlsFolder(path)


def check_cluster(kubeconfig: str | None, context: str | None) -> None:
    """Check that there is a cluster before anything is made; a bad kubeconfig ends the command.

    The server makes its permanent connections after the fork.
    """
    check_context(kubeconfig, context)
    try:
        connect(kubeconfig, context).close()
    except NoClusterError as bad:
        exit_with_errors([f"{bad}, or serve --standalone"])


def certificate_hosts(listen: str, names: tuple[str, ...], own_namespace: str) -> list[str]:
    """Return the names for the issued certificate: the chart's Service, this machine, and the caller's names."""
    own_hosts = ["catflap", f"catflap.{own_namespace}", f"catflap.{own_namespace}.svc", "localhost", "127.0.0.1", "::1"]
    anywhere = {"0.0.0.0", "::"}  # noqa: S104 (no name of anything)
    return list(dict.fromkeys([*own_hosts, *({listen} - anywhere), *names]))


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches a listening address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
