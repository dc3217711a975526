"""`catflap check`: the server's verdicts on manifests, offline."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from webhook.cli._asking import OneOf
from webhook.cli._checking import Checked, as_json, show
from webhook.cli._files import Inputs
from webhook.cli._options import BAD_INPUT, FILE_NAME, NAMESPACE, Renamed, load_policy, once, policy_file
from webhook.guard.amend import amended
from webhook.guard.decide import OFFLINE, decide, denial
from webhook.model.decision import Decision
from webhook.model.names import DEFAULT_NAMESPACE
from webhook.model.policy import GuardPolicy
from webhook.model.request import Request
from webhook.model.violation import Violation
from webhook.review.documents import Located
from webhook.review.manifests import Manifest, creation, read

VIOLATIONS = 1
# In place of a rule's id, where not catflap but Kubernetes itself would refuse.
API_SERVER = "api-server"


class Offline(Struct, frozen=True):
    """What manifests are judged by."""

    policy: GuardPolicy
    namespace: str
    own_namespace: str


@click.command("check")
@policy_file
@click.option(
    "-n", "--namespace", type=NAMESPACE, default="default", show_default=True, help="For objects that name none."
)
@click.option(
    "--own-namespace", type=NAMESPACE, default=DEFAULT_NAMESPACE, show_default=True,
    help="Where catflap itself is installed; it is exempt.",
)  # fmt: skip
@click.option(
    "-o", "--output", "form", cls=Renamed, former=("--format",), type=OneOf(["text", "json"]), default="text", show_default=True,
)  # fmt: skip
@click.option("--strict", is_flag=True, help="End with status 1 also where something was not judged.")
@click.argument("paths", nargs=-1, required=True, type=FILE_NAME, metavar="PATH...")
def verb(policy: Path, namespace: str, own_namespace: str, form: str, strict: bool, paths: tuple[str, ...]) -> None:  # noqa: PLR0917 (click calls it by name)
    """Judge the manifests in files, folders or - (standard input).

    Ends with status 0 where all would be admitted, 1 where some would be refused, 2 where something cannot be read.
    """
    once((policy, *paths))
    inputs = Inputs(paths)
    checked = list(check_all(inputs, Offline(load_policy(policy).policy, namespace, own_namespace)))
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode([as_json(one) for one in checked]), indent=2))
    else:
        show(checked, inputs)
    for complaint in inputs.complaints:
        click.echo(f"catflap: {complaint}", err=True)
    failed = any(not one.decision.allowed or (strict and one.manifest.not_judged) for one in checked)
    raise SystemExit(BAD_INPUT if inputs.complaints else VIOLATIONS if failed else 0)


def check_all(inputs: Inputs, offline: Offline) -> Iterator[Checked]:
    """Each object with its decision; what cannot be read is among the complaints of `inputs`."""
    reading = partial(read, default_namespace=offline.namespace, extra=offline.policy.workloads.extra_by_kind)
    for source, found, manifest in inputs.objects(reading):
        decision = judged(manifest, offline.policy, own_namespace=offline.own_namespace)
        yield Checked(source, manifest, with_refused(decision, manifest, found, offline.policy))


def judged(manifest: Manifest, policy: GuardPolicy, *, own_namespace: str = "") -> Decision:
    """The server's decision on the creation of one object, as far as it is known without a cluster."""
    request = request_of(manifest, policy)
    decision = decide(request, policy, known=OFFLINE, own_namespace=own_namespace, at=datetime.now(UTC))
    assert isinstance(decision, Decision)
    return decision


def request_of(manifest: Manifest, policy: GuardPolicy) -> Request:
    """The creation of one object, as the validating phase sees it."""
    return amended(creation(manifest), policy)


def with_refused(decision: Decision, manifest: Manifest, found: Located, policy: GuardPolicy) -> Decision:
    """The decision, and the labels that no API server takes; a label that a rule speaks of is not named twice."""
    by_rules = {one.path for one in (*decision.denied, *decision.warned, *decision.audited)}
    refused = tuple(
        Violation(API_SERVER, fault.place, fault.words(found.written(fault.path)))
        for fault in manifest.refused
        if fault.is_template or fault.place not in by_rules
    )
    if not refused:
        return decision
    denied = (*decision.denied, *refused)
    return denial(request_of(manifest, policy), policy, denied, decision.warned, decision.audited)
