"""`catflap preview`: show what a policy file would refuse before it is applied."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.progress import Progress

from webhook.admission.owner_graph import ExistingObject
from webhook.admission.policy_diff import outcome_changes, policy_differences
from webhook.admission.preview import Preview, PreviewContext, preview
from webhook.cli._check_output import not_judged_message, note_message
from webhook.cli._choices import WordChoice
from webhook.cli._cluster_errors import describe
from webhook.cli._command import Verb
from webhook.cli._inputs import Inputs, with_location
from webhook.cli._options import (
    BAD_INPUT,
    FILE,
    MANIFESTS,
    NAMESPACE,
    SingleOption,
    check_stdin_once,
    cluster_options,
    exit_with_errors,
    fault_lines,
    load_policies,
    own_namespace_option,
    policy_file,
)
from webhook.cli._preview_output import PreviewResult, as_json, show
from webhook.cli._streams import print_warning
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.kube import webhook_configurations
from webhook.kube.api import Api, ApiError, NoClusterError, connect_as_kubectl
from webhook.kube.install_record import InstallRecord, InstallTimes
from webhook.kube.listing import ListProgress, ObjectLister
from webhook.kube.paths import collection, under
from webhook.kube.preview_setting import build_setting
from webhook.kube.unsupported_kinds import unsupported_kind_notes
from webhook.model.kinds import POD_MAKERS, Makers
from webhook.model.names import DEFAULT_NAMESPACE, POLICY_CONFIGMAP, POLICY_CONFIGMAP_KEY
from webhook.model.policy import GuardPolicy
from webhook.review.existing_objects import as_existing, existing_objects
from webhook.review.manifests import Manifest, read, refused_by_api_server
from webhook.syntax.documents import LocatedObject

EXIT_FOUND = 1
NOT_INSTALLED = "catflap is not registered in this cluster, so all existing objects count as older than catflap"
UNDATED = "cannot read the installation time, so no owner counts as older, and every namespace counts as managed"


class PreviewOptions(Struct, frozen=True):
    """The options and arguments of the command line."""

    after: GuardPolicy
    before: GuardPolicy | None
    before_in_cluster: bool
    namespaces: tuple[str, ...]
    own_namespace: str
    paths: tuple[str, ...]


@click.command("preview", cls=Verb)
@policy_file
@click.option(
    "--against",
    cls=SingleOption,
    type=FILE,
    metavar="FILE",
    help="Show only what changes compared with this policy file.",
)
@click.option(
    "--against-cluster", is_flag=True, help="Show only what changes compared with the policy file in the cluster."
)
@click.option("--cluster", is_flag=True, help="Read the objects in the current cluster of kubectl.")
@cluster_options
@click.option(
    "-n", "--namespace", "namespaces", type=NAMESPACE, multiple=True,
    help="With a cluster: only this namespace, may be repeated. With files: the namespace of objects that name none.",
)  # fmt: skip
@own_namespace_option(help_text="With files: the namespace of catflap, which is exempt.")
@click.option("-o", "--output", type=WordChoice(["table", "wide", "json"]), default="table", show_default=True)
@click.argument("paths", nargs=-1, type=MANIFESTS, metavar="[PATH...]")
def verb(  # noqa: PLR0917 (click calls it by name)
    policy: Path,
    against: Path | None,
    against_cluster: bool,
    cluster: bool,
    kubeconfig: str | None,
    context: str | None,
    namespaces: tuple[str, ...],
    own_namespace: str,
    output: str,
    paths: tuple[str, ...],
) -> None:
    """Show what a policy file would reject, in manifests (PATH: files, folders, -) or in a cluster.

    The exit code is 0 if nothing would be rejected or nothing differs, 1 if something would be rejected or differs, and 2 if something cannot
    be read.
    """
    if against and against_cluster:
        exit_with_errors(["--against and --against-cluster exclude each other"])
    by_cluster = bool(cluster or ((kubeconfig or context) and not (paths and against_cluster)))
    if paths and by_cluster:
        exit_with_errors(["pass either PATH... or a cluster (--cluster, --kubeconfig, --context)"])
    if not (paths or by_cluster or against or against_cluster):
        exit_with_errors(["pass PATH... or --cluster, or pass --against to compare only policy files"])
    if paths and len(namespaces) > 1:
        exit_with_errors(["-n/--namespace: for files, use this option only once"])
    check_stdin_once((policy, against, *paths))
    loaded = load_policies(policy, *([against] if against else []), manifests=paths)
    after, before = loaded[0].policy, loaded[1].policy if against else None
    options = PreviewOptions(after, before, against_cluster, namespaces, own_namespace, paths)
    try:
        api = connect_as_kubectl(kubeconfig, context) if by_cluster or against_cluster else None
        found = preview_cluster(options, api) if api and by_cluster else preview_files(options, api)
    except (NoClusterError, ApiError) as bad:
        exit_with_errors([describe(bad)])
    print_result(found, output, is_of_files=not by_cluster)


def print_result(found: PreviewResult, output: str, *, is_of_files: bool) -> None:
    """Print the result and end with its status; for files, `catflap check` uses the same status and the same words."""
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(as_json(found)), indent=2))
    else:
        show(found, wide=output == "wide")
    for line in found.unseen:
        print_warning(line if is_of_files else f"not read: {line}")
    raise SystemExit(BAD_INPUT if found.unseen else EXIT_FOUND if found.has_result else 0)


def preview_files(options: PreviewOptions, api: Api | None) -> PreviewResult:
    """Return what would happen to manifests."""
    inputs = Inputs(options.paths)
    before = read_previous_policy(options, api)
    namespace = options.namespaces[0] if options.namespaces else "default"
    extra = extra_kinds(options.after, before)
    notes: list[str] = []
    reading = partial(existing_in_file, default_namespace=namespace, extra=extra)
    setting = PreviewContext(own_namespace=options.own_namespace, at=datetime.now(UTC))
    found = evaluate(options, before, with_notes(inputs.objects(reading), notes), setting, inputs.complaints)
    return replace(found, notes=(*notes, *inputs.notes, *found.notes))


def existing_in_file(document: Any, *, default_namespace: str, extra: Makers) -> tuple[Manifest, ExistingObject]:
    """Return an object of a file, and the same object as if it were in the cluster; raises BadManifestError."""
    manifest = read(document, default_namespace=default_namespace, extra=extra)
    return manifest, as_existing(manifest, document)


def with_notes(
    objects: Iterator[tuple[str, LocatedObject, tuple[Manifest, ExistingObject]]], notes: list[str]
) -> Iterator[ExistingObject]:
    """Yield each object of the files with the labels that the API server refuses; add unjudged ones to `notes`."""
    for source, found, (manifest, one) in objects:
        if manifest.not_judged:
            notes.append(with_location(source, found.place(), not_judged_message(manifest)))
        notes += (with_location(source, found.place(), note_message(manifest, note)) for note in manifest.notes)
        yield replace(one, refused=refused_by_api_server(manifest, found))


def preview_cluster(options: PreviewOptions, api: Api) -> PreviewResult:
    """Return what would happen to the objects in a cluster.  Raises ApiError."""
    before = read_previous_policy(options, api)
    with progress() as on_page:
        extra = extra_kinds(options.after, before)
        makers = (*POD_MAKERS, *extra.values())
        listing = ObjectLister(api, namespaces=options.namespaces, makers=makers, on_page=on_page)
        setting, notes = read_setting(api, listing)
        found = evaluate(
            options,
            before,
            existing_objects(listing.objects(), listing.unlisted, extra=extra),
            setting,
            listing.unlisted,
        )
        return replace(found, notes=(*notes, *unsupported_kind_notes(api, extra), *found.notes))


def evaluate(
    options: PreviewOptions,
    before: GuardPolicy | None,
    objects: Iterator[ExistingObject],
    setting: PreviewContext,
    unseen: list[str],
) -> PreviewResult:
    """Return the effects of a policy file, or how they differ from those of another one."""
    if before is None:
        [found] = preview(objects, [options.after], setting)
        return PreviewResult(found, notes=tuple(unevaluated_rules(found)), unseen=tuple(unseen))
    new, old = preview(objects, [options.after, before], setting)
    differs = policy_differences(options.after, before, setting)
    return PreviewResult(
        new, outcome_changes(new, old), differs, notes=tuple(unevaluated_rules(new, old)), unseen=tuple(unseen)
    )


def unevaluated_rules(*found: Preview) -> Iterator[str]:
    """Yield which custom rules did not evaluate every object."""
    for one in sorted({rule for each in found for rule in each.unchecked}):
        yield f"not checked: {one.rule}: {one.why}"


def extra_kinds(after: GuardPolicy, before: GuardPolicy | None) -> Makers:
    """Return the kinds that either file adds to the built-in ones."""
    return {**(before.workloads.extra_by_kind if before else {}), **after.workloads.extra_by_kind}


def read_setting(api: Api, listing: ObjectLister) -> tuple[PreviewContext, tuple[str, ...]]:
    """Return what is known of the cluster, and the notes about it.  Raises ApiError."""
    now = datetime.now(UTC)
    own_namespace, install_times, notes = DEFAULT_NAMESPACE, None, list[str]()
    namespaces = listing.namespaces()
    try:
        own_namespace = webhook_configurations.find_own_namespace(api)
        install_times = InstallRecord(api, own_namespace=own_namespace).read(api)
        if install_times is None:
            install_times = InstallTimes(now, now)
            notes.append(NOT_INSTALLED)
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        notes.append(f"{UNDATED}: {error}")  # it errs towards refusal, so the rest is reliable
    return build_setting(own_namespace, now, None if namespaces is None else namespaces.values(), install_times), tuple(
        notes
    )


def read_previous_policy(options: PreviewOptions, api: Api | None) -> GuardPolicy | None:
    """Return the policy to compare with; a bad or absent one in the cluster ends the command.  Raises ApiError."""
    if options.before is not None:
        return options.before
    if not options.before_in_cluster or api is None:
        return None
    name = f"{webhook_configurations.find_own_namespace(api)}/{POLICY_CONFIGMAP}"
    namespace = name.partition("/")[0]
    found = api.get(under(collection("v1", "configmaps", namespace), POLICY_CONFIGMAP))
    if found is None:
        exit_with_errors([f"--against-cluster: ConfigMap {name} does not exist"])
    try:
        return parse((found.get("data") or {}).get(POLICY_CONFIGMAP_KEY, "")).policy
    except BadPolicy as bad:
        exit_with_errors(fault_lines(f"ConfigMap {name}", bad))


@contextmanager
def progress() -> Iterator[Callable[[ListProgress], None]]:
    """Show a bar on standard error while a cluster is listed, on a terminal only; it moves with each page."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("listing", total=None)

        def move(seen: ListProgress) -> None:
            bar.update(task, description=seen.resource, completed=seen.objects, total=seen.objects + seen.remaining)

        yield move
