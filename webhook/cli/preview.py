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

from webhook.cli._asking import OneOf
from webhook.cli._checking import not_judged, noted_of
from webhook.cli._clusters import in_words
from webhook.cli._files import Inputs, at
from webhook.cli._options import (
    BAD_INPUT,
    FILE,
    MANIFESTS,
    NAMESPACE,
    Single,
    cluster_options,
    complain,
    faults_of,
    load_policy,
    once,
    own_namespace_option,
    policy_file,
)
from webhook.cli._previewing import Findings, as_json, show
from webhook.cli._streams import warn
from webhook.config.faults import BadPolicy
from webhook.config.parse import parse
from webhook.guard.owner_graph import ExistingObject
from webhook.guard.policy_diff import outcome_changes, policy_differences
from webhook.guard.preview import Preview, PreviewContext, preview
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
from webhook.review.manifests import Manifest, each_existing, read, refused_by_api_server, standing
from webhook.syntax.documents import Located

SOMETHING = 1
NOT_INSTALLED = "catflap is not registered in this cluster, so all existing objects count as older than catflap"
UNDATED = "cannot read the installation time, so no owner counts as older, and every namespace counts as managed"


class Asked(Struct, frozen=True):
    """The options and arguments of the command line."""

    after: GuardPolicy
    before: Path | None
    before_in_cluster: bool
    namespaces: tuple[str, ...]
    own_namespace: str
    paths: tuple[str, ...]


@click.command("preview")
@policy_file
@click.option(
    "--against", cls=Single, type=FILE, metavar="FILE", help="Show only what changes compared with this policy file."
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
@own_namespace_option(says="With files: the namespace of catflap, which is exempt.")
@click.option("-o", "--output", type=OneOf(["table", "wide", "json"]), default="table", show_default=True)
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
        complain(["--against and --against-cluster exclude each other"])
    by_cluster = bool(cluster or ((kubeconfig or context) and not (paths and against_cluster)))
    if paths and by_cluster:
        complain(["pass either PATH... or a cluster (--cluster, --kubeconfig, --context)"])
    if not (paths or by_cluster or against or against_cluster):
        complain(["pass PATH... or --cluster, or pass --against to compare only policy files"])
    if paths and len(namespaces) > 1:
        complain(["-n/--namespace: for files, use this option only once"])
    once((policy, against, *paths))
    asked = Asked(load_policy(policy).policy, against, against_cluster, namespaces, own_namespace, paths)
    try:
        api = connect_as_kubectl(kubeconfig, context) if by_cluster or against_cluster else None
        found = from_cluster(asked, api) if api and by_cluster else from_files(asked, api)
    except (NoClusterError, ApiError) as bad:
        complain([in_words(bad)])
    tell(found, output, is_of_files=not by_cluster)


def tell(found: Findings, output: str, *, is_of_files: bool) -> None:
    """Print the result and end with its status; for files, `catflap check` uses the same status and the same words."""
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(as_json(found)), indent=2))
    else:
        show(found, wide=output == "wide")
    for line in found.unseen:
        warn(line if is_of_files else f"not read: {line}")
    raise SystemExit(BAD_INPUT if found.unseen else SOMETHING if found.says_something else 0)


def from_files(asked: Asked, api: Api | None) -> Findings:
    """Return what would happen to manifests."""
    inputs = Inputs(asked.paths)
    before = policy_before(asked, api)
    space = asked.namespaces[0] if asked.namespaces else "default"
    extra = extra_kinds(asked.after, before)
    notes: list[str] = []
    reading = partial(standing_in_file, default_namespace=space, extra=extra)
    where = PreviewContext(own_namespace=asked.own_namespace, at=datetime.now(UTC))
    found = judged(asked, before, noted(inputs.objects(reading), notes), where, inputs.complaints)
    return replace(found, notes=(*notes, *inputs.notes, *found.notes))


def standing_in_file(document: Any, *, default_namespace: str, extra: Makers) -> tuple[Manifest, ExistingObject]:
    """Return an object of a file, and the same object as if it were in the cluster; raises BadManifest."""
    manifest = read(document, default_namespace=default_namespace, extra=extra)
    return manifest, standing(manifest, document)


def noted(
    objects: Iterator[tuple[str, Located, tuple[Manifest, ExistingObject]]], notes: list[str]
) -> Iterator[ExistingObject]:
    """Yield each object of the files with the labels that the API server refuses; add unjudged ones to `notes`."""
    for source, found, (manifest, one) in objects:
        if manifest.not_judged:
            notes.append(at(source, found.place(), not_judged(manifest)))
        notes += (at(source, found.place(), noted_of(manifest, note)) for note in manifest.notes)
        yield replace(one, refused=refused_by_api_server(manifest, found))


def from_cluster(asked: Asked, api: Api) -> Findings:
    """Return what would happen to the objects in a cluster.  Raises ApiError."""
    before = policy_before(asked, api)
    with progress() as on_page:
        extra = extra_kinds(asked.after, before)
        makers = (*POD_MAKERS, *extra.values())
        listing = ObjectLister(api, namespaces=asked.namespaces, makers=makers, on_page=on_page)
        where, notes = setting_of(api, listing)
        found = judged(
            asked, before, each_existing(listing.objects(), listing.unlisted, extra=extra), where, listing.unlisted
        )
        return replace(found, notes=(*notes, *unsupported_kind_notes(api, extra), *found.notes))


def judged(
    asked: Asked,
    before: GuardPolicy | None,
    objects: Iterator[ExistingObject],
    where: PreviewContext,
    unseen: list[str],
) -> Findings:
    """Return the effects of a policy file, or how they differ from those of another one."""
    if before is None:
        [found] = preview(objects, [asked.after], where)
        return Findings(found, notes=tuple(left_out(found)), unseen=tuple(unseen))
    new, old = preview(objects, [asked.after, before], where)
    differs = policy_differences(asked.after, before, where)
    return Findings(new, outcome_changes(new, old), differs, notes=tuple(left_out(new, old)), unseen=tuple(unseen))


def left_out(*found: Preview) -> Iterator[str]:
    """Yield which custom rules did not evaluate every object."""
    for one in sorted({rule for each in found for rule in each.unchecked}):
        yield f"not checked: {one.rule}: {one.why}"


def extra_kinds(after: GuardPolicy, before: GuardPolicy | None) -> Makers:
    """Return the kinds that either file adds to the built-in ones."""
    return {**(before.workloads.extra_by_kind if before else {}), **after.workloads.extra_by_kind}


def setting_of(api: Api, listing: ObjectLister) -> tuple[PreviewContext, tuple[str, ...]]:
    """Return what is known of the cluster, and the notes about it.  Raises ApiError."""
    now = datetime.now(UTC)
    own, moments, notes = DEFAULT_NAMESPACE, None, list[str]()
    namespaces = listing.namespaces()
    try:
        own = webhook_configurations.find_own_namespace(api)
        moments = InstallRecord(api, own_namespace=own).read(api)
        if moments is None:
            moments = InstallTimes(now, now)
            notes.append(NOT_INSTALLED)
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        notes.append(f"{UNDATED}: {error}")  # it errs towards refusal, so the rest is reliable
    return build_setting(own, now, None if namespaces is None else namespaces.values(), moments), tuple(notes)


def policy_before(asked: Asked, api: Api | None) -> GuardPolicy | None:
    """Return the policy to compare with; a bad or absent one that is named ends the command.  Raises ApiError."""
    if asked.before is not None:
        return load_policy(asked.before).policy
    if not asked.before_in_cluster or api is None:
        return None
    name = f"{webhook_configurations.find_own_namespace(api)}/{POLICY_CONFIGMAP}"
    space = name.partition("/")[0]
    found = api.get(under(collection("v1", "configmaps", space), POLICY_CONFIGMAP))
    if found is None:
        complain([f"--against-cluster: ConfigMap {name} does not exist"])
    try:
        return parse((found.get("data") or {}).get(POLICY_CONFIGMAP_KEY, "")).policy
    except BadPolicy as bad:
        complain(faults_of(f"ConfigMap {name}", bad))


@contextmanager
def progress() -> Iterator[Callable[[ListProgress], None]]:
    """Show a bar on standard error while a cluster is listed, on a terminal only; it moves with each page."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("listing", total=None)

        def move(seen: ListProgress) -> None:
            bar.update(task, description=seen.resource, completed=seen.objects, total=seen.objects + seen.remaining)

        yield move
