"""`catflap render`: print the manifests that close a namespace."""

from collections.abc import Iterator
from pathlib import Path

import click

from webhook.admission.isolation import reason_not_managed
from webhook.cli._choices import WordChoice, suggestion
from webhook.cli._command import Verb
from webhook.cli._options import (
    NAMESPACE,
    SingleOption,
    exit_with_errors,
    load_policy,
    own_namespace_option,
    policy_file,
)
from webhook.cli._yaml import dump_manifests
from webhook.model.network import DnsEndpoint
from webhook.netpol.dns import FALLBACK, WITH_ADDRESSES
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_cluster_wide, render_namespace


@click.command("render", cls=Verb)
@policy_file
@click.option("-n", "--namespace", cls=SingleOption, type=NAMESPACE, required=True, help="The namespace to isolate.")
@click.option(
    "--engine", type=WordChoice([str(engine) for engine in PolicyEngine]),
    help="The engine of the policies; the default is network.engine of the policy file, and kubernetes for auto.",
)  # fmt: skip
@own_namespace_option(help_text="The namespace of catflap, which gets no policies.")
@click.option("--environment", default="", help="The environment of the namespace, from namespaces.environment.oneOf.")
def verb(policy: Path, namespace: str, engine: str | None, own_namespace: str, environment: str) -> None:
    """Print the policies of a namespace, for kubectl apply or calicoctl apply.

    A namespace that catflap does not isolate has no policies; standard error contains the reason. A namespace that is older than catflap has policies if
    namespaces.includeExisting names it. With network.clusterWideDefaultDeny, the output starts with the cluster-wide default deny. Comments name what only
    a cluster can show: its name servers, and the address of its DNS Service.
    """
    loaded = load_policy(policy)
    known = loaded.policy.namespaces.environment.one_of
    if environment and environment not in known:
        exit_with_errors(
            [
                (
                    f"--environment: {environment!r} is not in namespaces.environment.oneOf: "
                    f"{', '.join(known)}.{suggestion(environment, known)}"
                )
            ]
            if known
            else [f"--environment: {environment!r}: the policy file has no environments (namespaces.environment.oneOf)"]
        )
    if reason := reason_not_managed(namespace, loaded.policy, own_namespace=own_namespace):
        click.echo(f"catflap: namespace {namespace} gets no policies: {reason}", err=True)
        return
    wanted = engine or loaded.policy.network.engine
    if wanted == "none":
        click.echo("catflap: network.engine: none, so no namespace gets policies", err=True)
        return
    chosen = PolicyEngine.KUBERNETES if wanted == "auto" else PolicyEngine(wanted)
    if loaded.policy.network.staged and chosen is not PolicyEngine.CALICO:
        exit_with_errors(["network.staged: only Calico has staged policies; add --engine calico"])
    exempt = {*loaded.policy.namespaces.exempted, own_namespace}
    net = render_cluster_wide(loaded.policy, RenderTarget("", "", loaded.digest), chosen, exempt=exempt)
    target = RenderTarget(namespace, "", loaded.digest, environment)
    click.echo("".join(f"# {line}\n" for line in dns_assumptions(loaded.policy.network.dns)), nl=False)
    click.echo(dump_manifests((*net, *render_namespace(loaded.policy, target, chosen))), nl=False)


def dns_assumptions(dns: str | tuple[DnsEndpoint, ...]) -> Iterator[str]:
    """Yield the assumptions about the cluster's name servers, and which address is missing, in lines.

    Yield nothing if `network.dns` of the policy file determines the name servers without a cluster.
    """
    if isinstance(dns, tuple) or (dns != "auto" and dns not in WITH_ADDRESSES):
        return
    if dns == "auto":
        yield f"network.dns is auto, and render reads no cluster, so it uses the preset {FALLBACK}."
    yield (
        "The cluster address of the DNS Service is missing. With NodeLocal DNSCache in its default mode, Pods "
        "send queries to it, and network"
    )
    yield "policies apply to it. catflap controller finds it. Without the controller, list it in network.dns as cidrs:"
    yield "  kubectl get service kube-dns --namespace kube-system --output jsonpath='{.spec.clusterIPs}'"
