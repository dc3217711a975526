"""`catflap uninstall`: what catflap wrote into a cluster, removed."""

import click

from webhook.cli._options import complain
from webhook.controller.leaving import Unfinished, leave
from webhook.kube.api import ApiError, NoCluster, connect
from webhook.kube.registrations import own_namespace

FAILED = 1


@click.command("uninstall")
@click.option("--kubeconfig", metavar="FILE", help="The cluster; by default that of the Pod's ServiceAccount.")
@click.option(
    "-n", "--namespace", help="catflap's own; by default that of the registered Service, else catflap-system."
)
def verb(kubeconfig: str | None, namespace: str | None) -> None:
    """Remove catflap's webhook configurations, its copy of the rules, policies, stamps and reports from a cluster, and nothing else.

    Stop the controllers first, or they write these again. The Secret catflap-webhook-path and the ConfigMap catflap-registration go last. The ConfigMaps catflap-epoch stay: a later installation goes on where
    this one ended. Ends with status 0 when nothing is left, 1 where something could not be removed, 2 without a cluster.
    """
    try:
        api = connect(kubeconfig)
        for line in leave(api, namespace or own_namespace(api)):
            click.echo(line)
    except NoCluster as bad:
        complain([str(bad)])
    except (ApiError, Unfinished) as bad:
        click.echo(f"catflap: {bad}", err=True)
        raise SystemExit(FAILED) from None
