"""`catflap demo`: show the main job as a story, with the real server and real reviews, without a cluster."""

import base64
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import click
import msgspec
from rich.console import Console
from rich.syntax import Syntax

from webhook.cli._command import Verb
from webhook.cli._demo_server import DemoServer, ServerStartError, create_request, demo_server
from webhook.cli._yaml import dump_manifests
from webhook.config.default import DEFAULT_POLICY
from webhook.config.parse import parse
from webhook.netpol.intent import PolicyEngine
from webhook.netpol.manifest import RenderTarget
from webhook.netpol.render import render_namespace

NAMESPACE = "shop"
EXIT_FAILED = 1

GOOD_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web", "app.kubernetes.io/component": "frontend"}},
    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
}
NEW_NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def deployment(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a Deployment whose Pods have `labels`."""
    pod = {"metadata": {"labels": dict(labels)}, "spec": {"containers": [{"name": name, "image": "nginx"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"tier": "web"}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@click.command("demo", cls=Verb)
def verb() -> None:
    """Show what catflap does, with a real server, a temporary CA, and reviews as the API server sends them.

    The exit code is 1 if an answer differs from the expected one.
    """
    console = Console(highlight=False)
    with TemporaryDirectory(prefix="catflap-demo-") as name:
        folder = Path(name)
        policy = folder / "policy.yaml"
        policy.write_text(DEFAULT_POLICY, encoding="utf-8")
        try:
            with demo_server(policy, folder) as server:
                tell_story(Story(console, server))
        except ServerStartError as died:
            console.print(f"the server did not start:\n{died}", markup=False)
            raise SystemExit(EXIT_FAILED) from None


class Story:
    """The chapters, which are printed as they happen."""

    def __init__(self, console: Console, server: DemoServer) -> None:
        self.console = console
        self.server = server

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.console.rule(f"[bold]{title}", align="left", characters="─")

    def ask(self, path: str, resource: str, manifest: Mapping[str, Any], *, allowed: bool) -> dict[str, Any]:
        """Send one review; end the story if the answer is not the expected one."""
        response = self.server.review(path, create_request(resource, manifest, namespace=NAMESPACE))
        verdict = "[green]admitted" if response["allowed"] else "[red]rejected"
        reference = f"{manifest['kind']} {manifest['metadata']['name']}"
        self.console.print(f"POST {path}  {reference}: {verdict}")
        if response["allowed"] != allowed:
            self.fail(f"unexpected response: {response}")
        return response

    def fail(self, message: str) -> NoReturn:
        """End the story as a failure."""
        self.console.print(message, style="red", markup=False)
        raise SystemExit(EXIT_FAILED)

    def show(self, text: str, language: str) -> None:
        """Print code, coloured on a terminal only."""
        if self.console.is_terminal:
            self.console.print(Syntax(text.rstrip(), language, background_color="default", word_wrap=True))
        else:
            self.console.print(text.rstrip(), markup=False, soft_wrap=True)


def tell_story(story: Story) -> None:
    """Run the whole story."""
    console = story.console
    console.print(f"The webhook listens on https://localhost:{story.server.port}, with a new temporary CA.")
    console.print("The policy is the default one: every Pod has an app and one of the roles frontend, backend, data.\n")

    story.chapter("1. A valid Pod is admitted")
    console.print("Only an alias contains its role, so the webhook adds the label role.")
    patch = story.ask("/mutate", "pods", GOOD_POD, allowed=True).get("patch", "")
    story.show(base64.b64decode(patch).decode(), "json")
    story.ask("/validate", "pods", GOOD_POD, allowed=True)

    story.chapter("2. A Deployment without labels is rejected, with the reason")
    response = story.ask("/validate", "deployments", deployment("cart", {"tier": "web"}), allowed=False)
    console.print(response["status"]["message"], markup=False, soft_wrap=True)

    story.chapter("3. A Deployment with a misspelt role is rejected")
    response = story.ask(
        "/validate", "deployments", deployment("cart", {"app": "cart", "role": "fronted"}), allowed=False
    )
    console.print(response["status"]["message"], markup=False, soft_wrap=True)

    story.chapter("4. A new namespace is labelled, and isolated by policies")
    patch = story.ask("/mutate", "namespaces", NEW_NAMESPACE, allowed=True).get("patch", "")
    story.show(base64.b64decode(patch).decode(), "json")
    loaded = parse(DEFAULT_POLICY)
    for engine in PolicyEngine:
        console.print(f"\nWith the engine [bold]{engine}[/bold], the controller writes:")
        story.show(
            dump_manifests(render_namespace(loaded.policy, RenderTarget(NAMESPACE, "", loaded.digest), engine)), "yaml"
        )

    story.chapter("5. The audit records")
    lines = story.server.audit_log.read_text(encoding="utf-8").splitlines()
    for line in lines:
        story.show(line, "json")
    decisions = [record["decision"] for record in map(msgspec.json.decode, lines) if record["type"] == "decision"]
    if decisions != ["allowed", "allowed", "denied", "denied", "allowed"]:
        story.fail(f"the audit records differ: {decisions}")
