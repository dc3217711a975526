"""`catflap controller`: close namespaces and keep them closed."""

from pathlib import Path

import click

from webhook.audit.log_config import LogConfig
from webhook.bootstrap.controller import run_controller
from webhook.bootstrap.logging_setup import log_to_stderr
from webhook.bootstrap.parts import BindAddress, ProcessOptions
from webhook.bootstrap.registration import RegistrationSetup
from webhook.cli._audit_options import audit_log_options
from webhook.cli._command import Verb
from webhook.cli._endpoint_options import registration_options
from webhook.cli._options import check_policy, exit_with_errors
from webhook.cli._serve_options import check_addresses, check_audit_key, check_context, serving_options
from webhook.config.source import ConfigMapRef
from webhook.kube.api import NoClusterError


@click.command("controller", cls=Verb)
@serving_options
@audit_log_options
@registration_options
@click.option("--verbose", is_flag=True, help="Write more log messages to standard error.")
def verb(  # noqa: PLR0917 (click calls it by name)
    policy: Path | ConfigMapRef,
    status_listen: tuple[str, int],
    kubeconfig: str | None,
    context: str | None,
    audit_log: str | None,
    audit_key: Path | None,
    log_config: LogConfig,
    registering: RegistrationSetup,
    verbose: bool,
) -> None:
    """Register catflap, isolate the managed namespaces, and repair both.

    The controller registers catflap when the servers answer at --url or --service with a certificate of --ca. Without these options, an
    administrator registers catflap.

    The exit code is 2 for an invalid policy file, audit key or kubeconfig.
    """
    log_to_stderr(verbose=verbose)
    check_audit_key(audit_key)
    check_context(kubeconfig, context)
    if isinstance(policy, Path):
        check_policy(policy)
    common = ProcessOptions(
        policy,
        BindAddress(*status_listen),
        kubeconfig=kubeconfig,
        audit_log=audit_log,
        audit_key=audit_key,
        log_config=log_config,
        context=context,
    )
    check_addresses(status_listen=status_listen)
    try:
        run_controller(common, registering)
    except NoClusterError as bad:
        exit_with_errors([str(bad)])
