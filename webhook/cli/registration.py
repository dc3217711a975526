"""`catflap registration`: print the webhook configurations, or turn catflap on again after it was turned off."""

import base64
from pathlib import Path

import click
from msgspec import structs

from webhook.cli._cluster_errors import exit_with_error
from webhook.cli._command import Verb
from webhook.cli._endpoint_options import check_token_file, endpoint_factory, endpoint_options, token_file_option
from webhook.cli._options import (
    NAMESPACE,
    SingleOption,
    TextType,
    cluster_options,
    exit_with_errors,
    load_policy,
    policy_option,
)
from webhook.cli._yaml import dump_manifests
from webhook.controller.webhook_configurations import webhook_configurations
from webhook.kube.api import ApiError, NoClusterError, connect_as_kubectl
from webhook.kube.identity import own_user
from webhook.kube.registration_state import turn_on
from webhook.model.identity import Identities
from webhook.model.names import DEFAULT_NAMESPACE
from webhook.tls.authority_file import read_authority
from webhook.tls.certificate_folder import BadCertificateError

FAILED = 1


@click.command("registration", cls=Verb)
@policy_option(required=False)
@endpoint_options
@token_file_option
@click.option("--turn-on", is_flag=True, help="Turn catflap on again in a cluster where its registration was deleted.")
@click.option(
    "-n",
    "--namespace",
    cls=SingleOption,
    type=NAMESPACE,
    help=f"With --turn-on: the namespace of catflap.  [default: {DEFAULT_NAMESPACE}]",
)
@click.option(
    "--account",
    type=TextType(),
    multiple=True,
    metavar="USER",
    help="The user names of serve and controller; - means the current user of kubectl.",
)
@cluster_options
def verb(  # noqa: PLR0917 (click calls it by name)
    policy: Path | None,
    url: str | None,
    service: str | None,
    ca: Path | None,
    path_token_file: Path | None,
    turn_on: bool,
    namespace: str | None,
    account: tuple[str, ...],
    kubeconfig: str | None,
    context: str | None,
) -> None:
    """Print the webhook configurations for a policy file, or turn catflap on again.

    The controller registers catflap itself when the servers answer. Use the output for reading, or to register catflap without a controller. The exit code
    is 1 if the cluster rejects a request, and 2 if it does not answer or if an option or the policy file is invalid.
    """
    if turn_on:
        if any((policy, url, service, ca, path_token_file, account)):
            exit_with_errors(["--turn-on takes no other options than -n/--namespace, --kubeconfig and --context"])
        click.echo(turn_on_again(kubeconfig, context, namespace or DEFAULT_NAMESPACE))
        return
    if faults := useless_options(namespace, account, kubeconfig, context):
        exit_with_errors(faults)
    if policy is None or ca is None:
        exit_with_errors(["pass -c POLICY, --ca FILE and either --url or --service; or pass --turn-on"])
    locate = endpoint_factory(url, service)
    try:
        bundle = base64.b64encode(read_authority(ca)).decode("ascii")
    except BadCertificateError as bad:
        exit_with_errors([f"--ca {bad}"])
    loaded = load_policy(policy)
    own_namespace = (
        Identities(tuple(current_user(kubeconfig, context) if one == "-" else one for one in account))
        if account
        else None
    )
    endpoint = structs.replace(locate(bundle), token=check_token_file(path_token_file) if path_token_file else "")
    click.echo(dump_manifests(webhook_configurations(loaded.policy, endpoint, own_namespace)), nl=False)


def useless_options(
    namespace: str | None, account: tuple[str, ...], kubeconfig: str | None, context: str | None
) -> list[str]:
    """Return what is wrong with options that have no effect on the printed configurations."""
    faults = []
    if namespace:
        faults.append("-n/--namespace has an effect only with --turn-on")
    if (kubeconfig or context) and "-" not in account:
        faults.append("--kubeconfig and --context have an effect only with --turn-on or --account -")
    return faults


def current_user(kubeconfig: str | None, context: str | None) -> str:
    """Return the user of a kubeconfig; a cluster that does not say ends the command."""
    try:
        return own_user(connect_as_kubectl(kubeconfig, context))
    except NoClusterError as bad:
        exit_with_errors([str(bad)])
    except ApiError as error:
        exit_with_error(error, failed=FAILED, doing="the API server did not return your user name: ")


def turn_on_again(kubeconfig: str | None, context: str | None, namespace: str) -> str:
    """Remove the mark that catflap is off; return the message. The controller registers it once the servers answer."""
    try:
        found = turn_on(connect_as_kubectl(kubeconfig, context), own_namespace=namespace)
    except NoClusterError as bad:
        exit_with_errors([str(bad)])
    except ApiError as error:
        exit_with_error(error, failed=FAILED)
    if found:
        return f"ConfigMap {found} deleted: a running controller registers catflap once the servers answer"
    return "catflap is not turned off: ConfigMap catflap-registration does not exist"
