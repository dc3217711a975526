"""`catflap render`: the manifests that close a namespace, printed."""

from pathlib import Path

import click

from webhook.cli._options import complain, load_policy, policy_file
from webhook.cli._yaml import manifests
from webhook.model.fields import namespace_name
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import Birth
from webhook.netpol.render import render


@click.command("render")
@policy_file
@click.option("-n", "--namespace", required=True, help="The namespace to close.")
@click.option(
    "--engine", type=click.Choice([str(engine) for engine in Engine]),
    help="Whose policies; by default the policy file's engine, and kubernetes where that says auto.",
)  # fmt: skip
def verb(policy: Path, namespace: str, engine: str | None) -> None:
    """Print the policies that a namespace gets, for kubectl apply or calicoctl apply."""
    loaded = load_policy(policy)
    try:
        namespace_name(namespace)
    except ValueError as bad:
        complain([f"--namespace: {bad}"])
    if loaded.policy.namespaces.exempts(namespace):
        click.echo(f"catflap: namespace {namespace} is exempt and gets no policies", err=True)
        return
    wanted = engine or loaded.policy.network.engine
    chosen = Engine.KUBERNETES if wanted == "auto" else Engine(wanted)
    click.echo(manifests(render(loaded.policy, Birth(namespace, "", loaded.digest), chosen)), nl=False)
