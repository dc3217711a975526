"""`catflap check`: the server's verdicts on manifests, offline."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import msgspec
from msgspec import Struct

from webhook.admission.decide import decide
from webhook.admission.decision_message import with_message, with_refused_labels
from webhook.admission.mutate import after_mutation
from webhook.cli._check_output import CheckCounts, CheckedObject, as_json, print_paragraph, show, summary
from webhook.cli._choices import WordChoice
from webhook.cli._command import Verb
from webhook.cli._inputs import Inputs
from webhook.cli._options import (
    BAD_INPUT,
    MANIFESTS,
    NAMESPACE,
    RenamedOption,
    SingleOption,
    check_stdin_once,
    load_policies,
    own_namespace_option,
    policy_file,
)
from webhook.cli._streams import print_line, print_warning
from webhook.model.decision import Decision
from webhook.model.policy import GuardPolicy
from webhook.model.rule import RefusedLabel
from webhook.model.steps import complete
from webhook.review.manifests import Manifest, create_request, read, refused_by_api_server

VIOLATIONS = 1


class CheckOptions(Struct, frozen=True):
    """The basis of verdicts on manifests."""

    policy: GuardPolicy
    namespace: str
    own_namespace: str


@click.command("check", cls=Verb)
@policy_file
@click.option(
    "-n",
    "--namespace",
    cls=SingleOption,
    type=NAMESPACE,
    default="default",
    show_default=True,
    help="The namespace of objects that name none.",
)
@own_namespace_option(help_text="The namespace of catflap, which is exempt.")
@click.option(
    "-o", "--output", "form", cls=RenamedOption, former=("--format",), type=WordChoice(["text", "json"]), default="text", show_default=True,
)  # fmt: skip
@click.option("--strict", is_flag=True, help="End with status 1 also if something was not checked.")
@click.argument("paths", nargs=-1, required=True, type=MANIFESTS, metavar="PATH...")
def verb(policy: Path, namespace: str, own_namespace: str, form: str, strict: bool, paths: tuple[str, ...]) -> None:  # noqa: PLR0917 (click calls it by name)
    """Check the manifests in files, folders or - (standard input).

    The exit code is 0 if every object would be admitted, 1 if an object would be rejected, and 2 if an input cannot be read.
    """
    check_stdin_once((policy, *paths))
    [loaded] = load_policies(policy, manifests=paths)
    inputs, counts = Inputs(paths), CheckCounts()
    encoded: list[bytes] = []
    for one in check_all(inputs, CheckOptions(loaded.policy, namespace, own_namespace)):
        counts.add(one)
        if form == "json":
            encoded.append(msgspec.json.encode(as_json(one)))
        else:
            show(one)
    if form == "json":
        click.echo(msgspec.json.format(b"[%b]" % b",".join(encoded), indent=2))
    else:
        for note in inputs.notes:
            print_paragraph(note)
        print_line(", ".join(summary(counts, inputs)))
    for complaint in inputs.complaints:
        print_warning(complaint)
    failed = counts.refused or (strict and counts.unjudged)
    raise SystemExit(BAD_INPUT if inputs.complaints else VIOLATIONS if failed else 0)


def check_all(inputs: Inputs, offline: CheckOptions) -> Iterator[CheckedObject]:
    """Yield each object with its decision; add what cannot be read to the complaints of `inputs`."""
    reading = partial(read, default_namespace=offline.namespace, extra=offline.policy.workloads.extra_by_kind)
    for source, found, manifest in inputs.objects(reading):
        refused = refused_by_api_server(manifest, found)
        yield CheckedObject(
            source,
            found,
            manifest,
            decide_offline(manifest, offline.policy, refused, own_namespace=offline.own_namespace),
        )


def decide_offline(
    manifest: Manifest, policy: GuardPolicy, refused: tuple[RefusedLabel, ...] = (), *, own_namespace: str = ""
) -> Decision:
    """Return the decision of catflap and the API server on an object's creation, as far as it is known offline.

    `refused` are the labels of the manifest that the API server refuses.
    """
    request = after_mutation(create_request(manifest), policy)
    decision = complete(decide(request, policy, own_namespace=own_namespace, at=datetime.now(UTC)))
    return with_message(with_refused_labels(decision, refused), request, policy, lenient=True)
