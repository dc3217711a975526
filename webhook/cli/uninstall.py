"""`catflap uninstall`: remove what catflap wrote into a cluster."""

import sys

import click

from webhook.cli._cluster_errors import exit_with_error
from webhook.cli._command import Verb
from webhook.cli._options import NAMESPACE, SingleOption, cluster_options, exit_with_errors
from webhook.controller.uninstall import UninstallIncomplete, preview_removal, remove_installation
from webhook.kube.api import ApiError, NoClusterError, connect_as_kubectl
from webhook.kube.webhook_configurations import find_own_namespace

FAILED = 1


@click.command("uninstall", cls=Verb)
@cluster_options
@click.option(
    "-n", "--namespace", cls=SingleOption, type=NAMESPACE,
    help="The namespace of catflap; the default is that of the registered Service, or catflap-system.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="List what would be removed, and remove nothing.")
@click.option(
    "-y", "--yes", is_flag=True, help="Do not ask for confirmation; without a terminal, the command never asks."
)
def verb(kubeconfig: str | None, context: str | None, namespace: str | None, dry_run: bool, yes: bool) -> None:
    """Remove the webhook configurations, ValidatingAdmissionPolicy copy, policies, labels and reports of catflap from a cluster.

    Stop the controllers first, because they would create these objects again. The command removes the Secret catflap-webhook-path and the ConfigMap
    catflap-registration last. It keeps the ConfigMaps catflap-epoch, so a later installation continues with the same installation time. The cluster is the
    current one of kubectl, or in a Pod that of its ServiceAccount. The exit code is 0 if everything is removed, 1 if an object could not be removed, and 2 if
    the cluster does not answer.
    """
    try:
        api = connect_as_kubectl(kubeconfig, context)
        own = namespace or find_own_namespace(api)
        if dry_run:
            for line in preview_removal(api, own):
                click.echo(f"{line} (dry run)")
            return
        if sys.stdin.isatty() and not yes:
            where = f"context {context}" if context else kubeconfig or "the current context"
            click.confirm(f"Remove the objects of catflap from the cluster of {where}?", abort=True)
        for line in remove_installation(api, own):
            click.echo(line)
    except NoClusterError as bad:
        exit_with_errors([str(bad)])
    except (ApiError, UninstallIncomplete) as bad:
        exit_with_error(bad, failed=FAILED)
