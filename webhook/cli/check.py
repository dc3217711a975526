"""`catflap check`: the server's verdicts on manifests, offline."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct

from webhook.cli._files import read_all
from webhook.cli._options import BAD_INPUT, load_policy, policy_file
from webhook.guard.amend import amended
from webhook.guard.decide import OFFLINE, decide
from webhook.model.decision import Decision
from webhook.model.policy import GuardPolicy
from webhook.model.violation import Violation
from webhook.review.manifests import Manifest, creation, read

VIOLATIONS = 1


class Checked(Struct, frozen=True):
    """One object and what was decided on it."""

    source: str
    manifest: Manifest
    decision: Decision

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Every fault, whatever it does to the object."""
        return (*self.decision.denied, *self.decision.warned, *self.decision.audited)


@click.command("check")
@policy_file
@click.option("-n", "--namespace", default="default", show_default=True, help="For objects that name none.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
def verb(policy: Path, namespace: str, form: str, paths: tuple[str, ...]) -> None:
    """Judge the manifests in files, folders or - (standard input).

    Ends with status 0 where all would be admitted, 1 where some would be refused, 2 where something cannot be read.
    """
    rules = load_policy(policy).policy
    complaints: list[str] = []
    checked = list(check_all(paths, rules, namespace, complaints))
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode([as_json(one) for one in checked]), indent=2))
    else:
        show(checked)
    for complaint in complaints:
        click.echo(f"catflap: {complaint}", err=True)
    refused = any(not one.decision.allowed for one in checked)
    raise SystemExit(BAD_INPUT if complaints else VIOLATIONS if refused else 0)


def check_all(paths: tuple[str, ...], policy: GuardPolicy, namespace: str, complaints: list[str]) -> Iterator[Checked]:
    """Each object of each path with its decision; what cannot be read is added to `complaints`."""
    reading = partial(read, default_namespace=namespace, extra=policy.workloads.extra_by_kind)
    for source, manifest in read_all(paths, reading, complaints):
        yield judged(source, manifest, policy)


def judged(source: str, manifest: Manifest, policy: GuardPolicy) -> Checked:
    """One object with the decision on its creation."""
    request = amended(creation(manifest), policy)
    decision = decide(request, policy, known=OFFLINE, at=datetime.now(UTC))
    assert isinstance(decision, Decision)
    return Checked(source, manifest, decision)


def as_json(checked: Checked) -> dict[str, Any]:
    """One object as the documented JSON."""
    return {
        "source": checked.source,
        "kind": checked.manifest.kind,
        "namespace": checked.manifest.namespace,
        "name": checked.manifest.name,
        "allowed": checked.decision.allowed,
        "violations": [
            {"rule": violation.rule, "path": violation.path, "message": violation.message}
            for violation in checked.violations
        ],
        **({"unchecked": [one.rule for one in unchecked]} if (unchecked := checked.decision.unchecked) else {}),
    }


def show(checked: list[Checked]) -> None:
    """Each fault for a person, then the count."""
    for one in checked:
        if one.decision.message:
            click.echo(f"{one.source}: {one.decision.message}\n")
        for violation in (*one.decision.warned, *one.decision.audited):
            click.echo(f"{one.source}: warning: {violation.rule}: {violation.path}: {violation.message}\n")
        for left_out in one.decision.unchecked:
            click.echo(f"{one.source}: not checked: {left_out.rule}: {left_out.why}\n")
    refused = sum(not one.decision.allowed for one in checked)
    judged_ones = sum(one.manifest.workload is not None for one in checked)
    click.echo(f"{len(checked)} objects, {judged_ones} of them make Pods, {refused} refused")
