"""`catflap check`: the server's verdicts on manifests, offline."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from webhook.cli._asking import OneOf
from webhook.cli._checking import Checked, Counts, as_json, show, tell, totals
from webhook.cli._files import Inputs
from webhook.cli._options import (
    BAD_INPUT,
    MANIFESTS,
    NAMESPACE,
    Renamed,
    load_policy,
    once,
    own_namespace_option,
    policy_file,
)
from webhook.cli._streams import say, warn
from webhook.guard.decide import decide
from webhook.guard.decision_message import with_message, with_refused_labels
from webhook.guard.mutate import after_mutation
from webhook.model.decision import Decision
from webhook.model.policy import GuardPolicy
from webhook.model.rule import RefusedLabel
from webhook.model.steps import complete
from webhook.review.manifests import Manifest, creation, read, refused_by_api_server

VIOLATIONS = 1


class Offline(Struct, frozen=True):
    """The basis of verdicts on manifests."""

    policy: GuardPolicy
    namespace: str
    own_namespace: str


@click.command("check")
@policy_file
@click.option(
    "-n",
    "--namespace",
    type=NAMESPACE,
    default="default",
    show_default=True,
    help="The namespace of objects that name none.",
)
@own_namespace_option(says="The namespace of catflap, which is exempt.")
@click.option(
    "-o", "--output", "form", cls=Renamed, former=("--format",), type=OneOf(["text", "json"]), default="text", show_default=True,
)  # fmt: skip
@click.option("--strict", is_flag=True, help="End with status 1 also if something was not checked.")
@click.argument("paths", nargs=-1, required=True, type=MANIFESTS, metavar="PATH...")
def verb(policy: Path, namespace: str, own_namespace: str, form: str, strict: bool, paths: tuple[str, ...]) -> None:  # noqa: PLR0917 (click calls it by name)
    """Check the manifests in files, folders or - (standard input).

    The exit code is 0 if every object would be admitted, 1 if an object would be rejected, and 2 if an input cannot be read.
    """
    once((policy, *paths))
    inputs, counts = Inputs(paths), Counts()
    encoded: list[bytes] = []
    for one in check_all(inputs, Offline(load_policy(policy).policy, namespace, own_namespace)):
        counts.add(one)
        if form == "json":
            encoded.append(msgspec.json.encode(as_json(one)))
        else:
            show(one)
    if form == "json":
        click.echo(msgspec.json.format(b"[%b]" % b",".join(encoded), indent=2))
    else:
        for note in inputs.notes:
            tell(note)
        say(", ".join(totals(counts, inputs)))
    for complaint in inputs.complaints:
        warn(complaint)
    failed = counts.refused or (strict and counts.unjudged)
    raise SystemExit(BAD_INPUT if inputs.complaints else VIOLATIONS if failed else 0)


def check_all(inputs: Inputs, offline: Offline) -> Iterator[Checked]:
    """Yield each object with its decision; add what cannot be read to the complaints of `inputs`."""
    reading = partial(read, default_namespace=offline.namespace, extra=offline.policy.workloads.extra_by_kind)
    for source, found, manifest in inputs.objects(reading):
        refused = refused_by_api_server(manifest, found)
        yield Checked(
            source,
            found,
            manifest,
            judged(manifest, offline.policy, refused, own_namespace=offline.own_namespace),
        )


def judged(
    manifest: Manifest, policy: GuardPolicy, refused: tuple[RefusedLabel, ...] = (), *, own_namespace: str = ""
) -> Decision:
    """Return the decision of catflap and the API server on an object's creation, as far as it is known offline.

    `refused` are the labels of the manifest that the API server refuses.
    """
    request = after_mutation(creation(manifest), policy)
    decision = complete(decide(request, policy, own_namespace=own_namespace, at=datetime.now(UTC)))
    return with_message(with_refused_labels(decision, refused), request, policy, lenient=True)
